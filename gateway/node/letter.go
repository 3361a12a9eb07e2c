package node

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// sendLetter signs a letter about a proposal and sends it now.
func (n *Node) sendLetter(ctx context.Context, to gateway.Party, letter approval.Letter) error {
	token, err := letter.Seal(n.keys.signing)
	if err != nil {
		return err
	}
	if n.opt.Network != nil {
		return n.opt.Network.Letter(ctx, to, token)
	}
	return n.network.client.Letter(ctx, to, token)
}

// sendAllotmentLetter sends a letter about allotments now, and gives the answer.
func (n *Node) sendAllotmentLetter(ctx context.Context, to gateway.Party, token string) (string, error) {
	if n.opt.Network != nil {
		return n.opt.Network.AllotmentLetter(ctx, to, token)
	}
	return n.network.client.AllotmentLetter(ctx, to, token)
}

func (n *Node) signAllotment(p seal.Purpose, payload []byte) (string, error) {
	return seal.Sign(n.keys.signing, p, payload)
}

// How long the node waits before it tells again what about allotments could not be
// told, and before it looks for what has lapsed.
const (
	allotmentsAgain = 5 * time.Second
	allotmentsMost  = 10 * time.Minute
	allotmentsIdle  = time.Hour
)

// allotments tells others what there is to tell of requests about allotments.
func (n *Node) allotments(ctx context.Context) {
	again := allotmentsAgain
	for {
		left, err := n.Desk.TellShifts(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			n.log.Debug("not all about allotments could be told", "error", err)
		}
		wait := allotmentsIdle
		if left {
			wait, again = again, min(2*again, allotmentsMost)
		} else {
			again = allotmentsAgain
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-n.Desk.ShiftsMoved():
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// enterApproval puts the statement with both signatures in the place of that of
// its author. What somebody put there meanwhile stays.
func (n *Node) enterApproval(before, signed []byte) error {
	n.mu.Lock()
	path := n.config.Policy.Signatures
	n.mu.Unlock()
	present, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(present, before) {
		return nil
	}
	if err == nil {
		err = os.WriteFile(path+".new", signed, 0o644)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return gateway.Wrap(gateway.Unavailable, err, "the approval cannot be written: may the node write where policy.signatures lies?")
	}
	return nil
}
