package rest

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Witness is what the peer API asks of a node about journals; nil: this node does
// not witness.
type Witness interface {
	// Cosign verifies a checkpoint of the peer's journal, keeps it and cosigns it.
	Cosign(ctx context.Context, peer gateway.OIN, request witness.Request) (witness.Answer, error)
	// Heads is what this node holds of the peer's journal.
	Heads(ctx context.Context, peer gateway.OIN) (witness.Heads, error)
}

func witnessRoutes(a api, wit Witness) {
	none := gateway.Errorf(gateway.NotFound, "this node does not witness journals")
	post(a, huma.Operation{
		OperationID: "cosignCheckpoint",
		Path:        pathWitness,
		Summary:     "Cosign a checkpoint of one's journal",
		Description: "By the rules of C2SP tlog-witness: the checkpoint must continue the one that this node holds of the journal of " +
			"the party that asks; it is written down before it is cosigned.",
		Tags: []string{"witness"},
	}, []int{http.StatusNotFound}, func(ctx context.Context, in witness.Request) (witness.Answer, error) {
		if wit == nil {
			return witness.Answer{}, none
		}
		return wit.Cosign(ctx, peerIn(ctx), in)
	})
	get(a, huma.Operation{
		OperationID: "getHeads",
		Path:        pathWitness,
		Summary:     "Get the heads that a witness holds of one's journal",
		Description: "To compare one's journal with: a party is shown the heads of its own journal only.",
		Tags:        []string{"witness"},
	}, []int{http.StatusNotFound}, func(ctx context.Context, _ noInput) (output[witness.Heads], error) {
		if wit == nil {
			return output[witness.Heads]{}, none
		}
		heads, err := wit.Heads(ctx, peerIn(ctx))
		return output[witness.Heads]{heads}, err
	})
}

// Witness asks a peer to cosign a checkpoint. NotFound: it does not witness.
func (c *PeerClient) Witness(ctx context.Context, peer gateway.Party, request witness.Request) (witness.Answer, error) {
	var answer witness.Answer
	err := c.post(ctx, peer, pathWitness, request, &answer)
	return answer, err
}

// Heads asks a peer what it holds of this node's journal.
func (c *PeerClient) Heads(ctx context.Context, peer gateway.Party) (witness.Heads, error) {
	data, err := c.ask(ctx, peer, http.MethodGet, pathWitness, nil, typeJSON)
	if err != nil {
		return witness.Heads{}, err
	}
	var heads witness.Heads
	if err := decodeJSON(data, &heads); err != nil {
		return witness.Heads{}, gateway.Wrap(gateway.Unavailable, err, "the answer of the peer cannot be read")
	}
	return heads, nil
}
