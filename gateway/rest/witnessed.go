package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Witnessed is how far the journal is beyond rewriting unnoticed: what enough
// other parties have cosigned.
type Witnessed struct {
	Needed      int           `json:"needed"`      // witnesses
	Size        uint64        `json:"size"`        // entries that so many have cosigned; 0: none
	At          time.Time     `json:"at,omitzero"` // when
	Unwitnessed uint64        `json:"unwitnessed"` // entries after those
	Since       time.Time     `json:"since,omitzero"`
	Witnesses   []WitnessedBy `json:"witnesses"`
}

// WitnessedBy is how the node stands with one witness of its journal.
type WitnessedBy struct {
	Witness gateway.OIN `json:"witness"`
	Size    uint64      `json:"size"` // entries it has cosigned
	At      time.Time   `json:"at,omitzero"`
	Problem string      `json:"problem,omitempty"` // since: unreachable, lacks, denied, rollback, inconsistent
	Since   time.Time   `json:"since,omitzero"`
	Theirs  uint64      `json:"theirs,omitempty"` // entries under the head it holds, if that is the problem
}

// WitnessedOf is how far a journal is witnessed, as the API tells of it.
func WitnessedOf(s witness.State) Witnessed {
	out := Witnessed{Needed: s.Needed, Size: s.Size, At: s.At, Unwitnessed: s.Tail, Since: s.Since, Witnesses: []WitnessedBy{}}
	for _, w := range s.Statuses {
		out.Witnesses = append(out.Witnesses, WitnessedBy{w.Witness, w.Size, w.At, w.Problem, w.Since, w.Theirs})
	}
	return out
}

func journalReport(r desk.JournalReport) JournalReport {
	return JournalReport{r.Size, r.Root, r.Checkpoints, r.Reduced, WitnessedOf(r.Witnessed)}
}

// Parties names some parties; none are all that ever cosigned.
type Parties struct {
	Parties []gateway.OIN `json:"parties"`
}

// Against is the journal compared with what others hold of it.
type Against struct {
	JournalReport
	Problem  string               `json:"problem,omitempty"` // why the journal does not fit itself
	Compared []witness.Comparison `json:"compared"`
}

type entryInput struct {
	Entry string `query:"entry" doc:"number of the entry, from 0"`
}

func witnessedRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "compareJournal", Path: pathAgainst, Summary: "Recompute the journal and compare it with what others hold of it",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in Parties) (Against, error) {
		r, err := d.VerifyAgainst(ctx, callerIn(ctx), in.Parties)
		return Against{journalReport(r.JournalReport), r.Problem, append([]witness.Comparison{}, r.Witnesses...)}, err
	})
	get(a, huma.Operation{
		OperationID: "proveEntry", Path: pathProof, Summary: "A proof that an entry stands in the journal",
		Description: "It can be verified with nothing but the register.",
	}, []int{http.StatusBadRequest, http.StatusNotFound, http.StatusConflict}, func(ctx context.Context, in entryInput) (output[witness.Proof], error) {
		entry, err := strconv.ParseUint(in.Entry, 10, 63)
		if err != nil {
			return output[witness.Proof]{}, gateway.Errorf(gateway.Invalid, "entry is not the number of an entry")
		}
		proof, err := d.ProveEntry(ctx, callerIn(ctx), entry)
		return output[witness.Proof]{proof}, err
	})
	post(a, huma.Operation{
		OperationID: "witnessJournal", Path: pathWitnessNow, Summary: "Send the head of the journal to its witnesses now",
	}, nil, func(ctx context.Context, _ Nothing) (Witnessed, error) {
		state, err := d.WitnessNow(ctx, callerIn(ctx))
		return WitnessedOf(state), err
	})
}

// CompareJournal makes the node recompute its journal and ask its witnesses.
func (c *LocalClient) CompareJournal(ctx context.Context, parties []gateway.OIN) (Against, error) {
	return ask[Against](ctx, c, http.MethodPost, pathAgainst, Parties{append([]gateway.OIN{}, parties...)})
}

// ProveEntry gives a proof of an entry.
func (c *LocalClient) ProveEntry(ctx context.Context, entry uint64) (witness.Proof, error) {
	return ask[witness.Proof](ctx, c, http.MethodGet, pathProof+"?entry="+strconv.FormatUint(entry, 10), nil)
}

// WitnessJournal makes the node send the head of its journal to its witnesses.
func (c *LocalClient) WitnessJournal(ctx context.Context) (Witnessed, error) {
	return ask[Witnessed](ctx, c, http.MethodPost, pathWitnessNow, Nothing{})
}
