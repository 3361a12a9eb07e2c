package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway/desk"
)

const (
	pathAllotments        = "/v1/allotment-requests"
	pathSignAllotment     = "/v1/allotment-requests/sign"
	pathRefuseAllotment   = "/v1/allotment-requests/refuse"
	pathWithdrawAllotment = "/v1/allotment-requests/withdraw"
)

// AllotmentRequests is a list in an object, so that something can be added beside
// it.
type AllotmentRequests struct {
	Requests []desk.ShiftLine `json:"requests"`
}

// AllotmentRequestID names a request: its id, or the beginning of one.
type AllotmentRequestID struct {
	Request string `json:"request"`
}

func allotmentRoutes(a api, d *desk.Desk) {
	refusals := []int{http.StatusNotFound, http.StatusConflict}
	get(a, huma.Operation{
		OperationID: "listAllotmentRequests", Path: pathAllotments, Summary: "Requests to release or swap places of allotments: where each stands",
		Description: "Those to this node, and those that this party makes or is asked to sign, the latest first.",
	}, nil, func(ctx context.Context, _ noInput) (output[AllotmentRequests], error) {
		list, err := d.ListShifts(ctx, callerIn(ctx))
		return output[AllotmentRequests]{AllotmentRequests{append([]desk.ShiftLine{}, list...)}}, err
	})
	post(a, huma.Operation{
		OperationID: "askAllotment", Path: pathAllotments, Summary: "Ask a provider to release or swap places of allotments",
		Description: "One of the allotments must be of this party. The provider commits it once every party that gives places has signed; " +
			"for this party the request is its signature. Until then the old allotments hold.",
	}, refusals, func(ctx context.Context, in desk.NewShift) (desk.ShiftLine, error) {
		return d.AskShift(ctx, callerIn(ctx), in)
	})
	post(a, huma.Operation{
		OperationID: "signAllotment", Path: pathSignAllotment, Summary: "Sign for places that this party gives",
	}, refusals, func(ctx context.Context, in AllotmentRequestID) (desk.ShiftLine, error) {
		return d.AnswerShift(ctx, callerIn(ctx), in.Request, true)
	})
	post(a, huma.Operation{
		OperationID: "refuseAllotment", Path: pathRefuseAllotment, Summary: "Refuse to give places, or, as provider, the request",
	}, refusals, func(ctx context.Context, in AllotmentRequestID) (desk.ShiftLine, error) {
		return d.AnswerShift(ctx, callerIn(ctx), in.Request, false)
	})
	post(a, huma.Operation{
		OperationID: "withdrawAllotment", Path: pathWithdrawAllotment, Summary: "Take back a request of this party",
	}, refusals, func(ctx context.Context, in AllotmentRequestID) (desk.ShiftLine, error) {
		return d.WithdrawShift(ctx, callerIn(ctx), in.Request)
	})
}

// AllotmentRequests lists the requests about allotments.
func (c *LocalClient) AllotmentRequests(ctx context.Context) ([]desk.ShiftLine, error) {
	list, err := ask[AllotmentRequests](ctx, c, http.MethodGet, pathAllotments, nil)
	return list.Requests, err
}

// AskAllotment asks a provider to release or swap places of allotments.
func (c *LocalClient) AskAllotment(ctx context.Context, n desk.NewShift) (desk.ShiftLine, error) {
	return ask[desk.ShiftLine](ctx, c, http.MethodPost, pathAllotments, n)
}

// SignAllotment signs for places that this party gives.
func (c *LocalClient) SignAllotment(ctx context.Context, request string) (desk.ShiftLine, error) {
	return ask[desk.ShiftLine](ctx, c, http.MethodPost, pathSignAllotment, AllotmentRequestID{request})
}

// RefuseAllotment refuses to give them.
func (c *LocalClient) RefuseAllotment(ctx context.Context, request string) (desk.ShiftLine, error) {
	return ask[desk.ShiftLine](ctx, c, http.MethodPost, pathRefuseAllotment, AllotmentRequestID{request})
}

// WithdrawAllotment takes back a request of this party.
func (c *LocalClient) WithdrawAllotment(ctx context.Context, request string) (desk.ShiftLine, error) {
	return ask[desk.ShiftLine](ctx, c, http.MethodPost, pathWithdrawAllotment, AllotmentRequestID{request})
}
