package node

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/approval"
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
