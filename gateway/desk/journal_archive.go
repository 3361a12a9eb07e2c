package desk

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// ArchiveRequest asks for the part of the journal before Until.
type ArchiveRequest struct {
	Until time.Time
	Page  string // ArchivePart.More of the part before; "" for the first
}

// ArchivePart is a part of an archive. The first has the head; the others have
// leaves only.
type ArchivePart struct {
	Head   *journal.Archive
	Leaves [][]byte
	More   string
}

// leavesPerPart bounds a part.
const leavesPerPart = 5000

// ArchiveJournal takes a part of the journal away that verifies without the node.
// It is one entry, however many parts it has.
func (d *Desk) ArchiveJournal(ctx context.Context, caller gateway.Caller, r ArchiveRequest) (ArchivePart, error) {
	const op = gateway.OpArchiveJournal
	if err := caller.Authorize(op); err != nil {
		return ArchivePart{}, err
	}
	var part ArchivePart
	next, end, ok := parsePage(r.Page)
	switch {
	case r.Page == "":
		head, err := d.archiveHead(ctx, caller, r.Until)
		if err != nil {
			return ArchivePart{}, err
		}
		part.Head, next, end = &head, head.From, head.Size
	case !ok || !hmac.Equal([]byte(d.archivePage(caller, next, end)), []byte(r.Page)):
		return ArchivePart{}, gateway.Errorf(gateway.Invalid, "this page is of another archive: begin again without a page")
	}
	var err error
	if part.Leaves, err = d.Store.Leaves(ctx, next, int(min(leavesPerPart, end-next))); err != nil {
		return ArchivePart{}, fmt.Errorf("read what is archived: %w", err)
	}
	if next += uint64(len(part.Leaves)); next < end {
		part.More = d.archivePage(caller, next, end)
	}
	return part, nil
}

func (d *Desk) archiveHead(ctx context.Context, caller gateway.Caller, until time.Time) (journal.Archive, error) {
	head, err := d.Store.Archive(ctx, until)
	if err != nil {
		return head, fmt.Errorf("find what can be archived: %w", err)
	}
	if head.Size <= head.From {
		return head, gateway.Errorf(gateway.NotFound, "there is nothing to archive: no signed head of the journal is from before that day, or all before it is past its term")
	}
	head.Origin, head.Key = d.JournalOrigin, d.JournalKey
	now := d.now()
	if err := d.Store.Append(ctx, now, d.entry(caller, string(gateway.OpArchiveJournal), now)); err != nil {
		return head, fmt.Errorf("journal operation %s: %w", gateway.OpArchiveJournal, err)
	}
	return head, nil
}

func (d *Desk) archivePage(caller gateway.Caller, next, end uint64) string {
	mac := hmac.New(sha256.New, d.Secret)
	fmt.Fprintf(mac, "archive:%q %d %d", caller.Name, next, end)
	return fmt.Sprintf("%d-%d-%s", next, end, hex.EncodeToString(mac.Sum(nil)[:12]))
}
