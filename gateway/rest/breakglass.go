package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway/desk"
)

// BreakGlass is one time that somebody was given to read what their roles do not
// give. Who and why are for privacy officers, and are erased in time.
type BreakGlass struct {
	Number       uint64    `json:"number"`
	Who          string    `json:"who,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	Caller       string    `json:"caller,omitempty"` // pseudonym, as in the journal
	Since        time.Time `json:"since"`
	Until        time.Time `json:"until"`
	Ended        time.Time `json:"ended,omitzero"`
	Reads        int       `json:"reads"` // what was read under it, each time an entry of the journal
	Acknowledged time.Time `json:"acknowledged,omitzero"`
	By           string    `json:"by,omitempty"` // pseudonym of who acknowledged it
}

// BreakGlasses is a list in an object, so that something can be added beside it.
type BreakGlasses struct {
	BreakGlass []BreakGlass `json:"breakGlass"`
}

// BreakGlassRequest says why, and for how many minutes.
type BreakGlassRequest struct {
	Reason  string `json:"reason"`
	Minutes int    `json:"minutes" minimum:"1" maximum:"240"`
}

// BreakGlassNumber names one.
type BreakGlassNumber struct {
	Number uint64 `json:"number"`
}

func breakGlassOut(b desk.BreakGlass) BreakGlass {
	return BreakGlass{b.Number, b.Name, b.Reason, b.Caller, b.Since, b.Until, b.Ended, b.Reads, b.Acknowledged, b.By}
}

func breakGlassesOut(all []desk.BreakGlass) []BreakGlass {
	out := make([]BreakGlass, 0, len(all))
	for _, b := range all {
		out = append(out, breakGlassOut(b))
	}
	return out
}

func breakGlassRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "breakGlass", Path: pathBreakGlass, Summary: "Read offers without a role for it, for a bounded time",
		Description: "Ends by itself. It shows until a privacy officer has acknowledged it, and each reading under it is entered as such.",
	}, nil, func(ctx context.Context, in BreakGlassRequest) (BreakGlass, error) {
		b, err := d.BreakGlass(ctx, callerIn(ctx), in.Reason, time.Duration(in.Minutes)*time.Minute)
		return breakGlassOut(b), err
	})
	post(a, huma.Operation{
		OperationID: "endBreakGlass", Path: pathEndBreakGlass, Summary: "End one's break-glass access before its time",
	}, []int{http.StatusNotFound}, func(ctx context.Context, _ Nothing) (BreakGlass, error) {
		b, err := d.EndBreakGlass(ctx, callerIn(ctx))
		return breakGlassOut(b), err
	})
	get(a, huma.Operation{
		OperationID: "listBreakGlass", Path: pathBreakGlass, Summary: "Every break-glass access: who, when and why",
	}, nil, func(ctx context.Context, _ noInput) (output[BreakGlasses], error) {
		all, err := d.ListBreakGlass(ctx, callerIn(ctx))
		return output[BreakGlasses]{BreakGlasses{breakGlassesOut(all)}}, err
	})
	post(a, huma.Operation{
		OperationID: "acknowledgeBreakGlass", Path: pathAcknowledge, Summary: "Mark that one has seen a break-glass access that is over",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in BreakGlassNumber) (BreakGlass, error) {
		b, err := d.AcknowledgeBreakGlass(ctx, callerIn(ctx), in.Number)
		return breakGlassOut(b), err
	})
}

// BreakGlass lets the caller read offers for some minutes.
func (c *LocalClient) BreakGlass(ctx context.Context, reason string, minutes int) (BreakGlass, error) {
	return ask[BreakGlass](ctx, c, http.MethodPost, pathBreakGlass, BreakGlassRequest{reason, minutes})
}

// EndBreakGlass ends that before its time.
func (c *LocalClient) EndBreakGlass(ctx context.Context) (BreakGlass, error) {
	return ask[BreakGlass](ctx, c, http.MethodPost, pathEndBreakGlass, Nothing{})
}

// ListBreakGlass is every break-glass access, the first one first.
func (c *LocalClient) ListBreakGlass(ctx context.Context) ([]BreakGlass, error) {
	list, err := ask[BreakGlasses](ctx, c, http.MethodGet, pathBreakGlass, nil)
	return list.BreakGlass, err
}

// AcknowledgeBreakGlass marks that the caller has seen one.
func (c *LocalClient) AcknowledgeBreakGlass(ctx context.Context, number uint64) (BreakGlass, error) {
	return ask[BreakGlass](ctx, c, http.MethodPost, pathAcknowledge, BreakGlassNumber{number})
}
