package rest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// JournalSearch says which entries to find: those to which everything applies
// that is given.
type JournalSearch struct {
	Party   string        `json:"party,omitempty"` // OIN, or the name of a party of the register or a part of it
	Field   gateway.Field `json:"field,omitempty"` // that was shown
	Rule    string        `json:"rule,omitempty"`
	Kind    string        `json:"kind,omitempty"`
	Outcome string        `json:"outcome,omitempty"` // or reason
	Message string        `json:"message,omitempty"`
	Policy  string        `json:"policy,omitempty"` // version, or at least its first 12 characters
	From    time.Time     `json:"from,omitzero"`
	Until   time.Time     `json:"until,omitzero"` // before this
	Oldest  bool          `json:"oldest,omitempty"`
	Limit   int           `json:"limit"`
	Page    string        `json:"page,omitempty"` // more of the page before
}

// JournalFound is one page of what was found.
type JournalFound struct {
	Entries []JournalEntry `json:"entries"`
	More    string         `json:"more,omitempty"`    // names the next page
	Reduced uint64         `json:"reduced,omitempty"` // so many of the oldest entries are only hashes now
}

// journalEntry is an entry on the wire: the same members under the same names.
func journalEntry(e desk.JournalRecord) JournalEntry {
	return JournalEntry{
		e.Index, e.Time, e.Kind, e.Party, e.Principal, e.Recipients, e.Message, e.Fields, e.Forms, e.Count,
		e.Policy, e.Rule, e.Rules, e.Register, e.Caller, e.Outcome, e.Reason, e.Digest, e.Since,
	}
}

func searchRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "searchJournal", Path: pathSearch, Summary: "Find entries of the journal",
		Description: "A search is entered in the journal once, however many pages of it are asked for, and without what was looked for.",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in JournalSearch) (JournalFound, error) {
		found, err := d.SearchJournal(ctx, callerIn(ctx), desk.JournalSearch(in))
		return journalFound(found), err
	})
	post(a, huma.Operation{
		OperationID: "exportJournal", Path: pathExport, Summary: "Take away entries of the journal, the oldest first",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in JournalSearch) (JournalExport, error) {
		found, err := d.ExportJournal(ctx, callerIn(ctx), desk.JournalSearch(in))
		return journalExport(found), err
	})
	post(a, huma.Operation{
		OperationID: "archiveJournal", Path: pathArchive, Summary: "Take away a part of the journal that verifies by itself",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in ArchiveRequest) (ArchivePart, error) {
		part, err := d.ArchiveJournal(ctx, callerIn(ctx), desk.ArchiveRequest(in))
		if err != nil {
			return ArchivePart{}, err
		}
		return archivePart(part)
	})
}

// JournalExport is one page of entries, each with its trace.
type JournalExport struct {
	Party   gateway.OIN    `json:"party"` // whose journal it is
	Entries []JournalEntry `json:"entries"`
	Traces  []EntryTrace   `json:"traces"` // in the order of the entries
	More    string         `json:"more,omitempty"`
	Reduced uint64         `json:"reduced,omitempty"`
}

// EntryTrace is the trace and the span of an entry (W3C Trace Context), in hex.
type EntryTrace struct {
	Trace string `json:"trace"`
	Span  string `json:"span"`
}

func journalExport(found desk.JournalExport) JournalExport {
	n := len(found.Records)
	out := JournalExport{
		Party: found.Party, Entries: make([]JournalEntry, 0, n), Traces: make([]EntryTrace, 0, n), More: found.More, Reduced: found.Reduced,
	}
	for _, r := range found.Records {
		out.Entries = append(out.Entries, journalEntry(desk.JournalRecord{Index: r.Index, Entry: r.Entry}))
		out.Traces = append(out.Traces, EntryTrace{hex.EncodeToString(r.Trace[:]), hex.EncodeToString(r.Span[:])})
	}
	return out
}

func journalFound(found desk.JournalFound) JournalFound {
	out := JournalFound{Entries: make([]JournalEntry, 0, len(found.Records)), More: found.More, Reduced: found.Reduced}
	for _, r := range found.Records {
		out.Entries = append(out.Entries, journalEntry(r))
	}
	return out
}

// ArchiveRequest asks for the part of the journal before Until, a page at a time.
type ArchiveRequest struct {
	Until time.Time `json:"until"`
	Page  string    `json:"page,omitempty"`
}

// ArchivePart is a part of an archive: the first has its head, every one leaves.
type ArchivePart struct {
	Head   *gateway.RawJSON `json:"head,omitempty"`
	Notes  []string         `json:"notes,omitempty"`
	Leaves []string         `json:"leaves"`
	More   string           `json:"more,omitempty"`
}

func archivePart(p desk.ArchivePart) (ArchivePart, error) {
	out := ArchivePart{Leaves: make([]string, 0, len(p.Leaves)), More: p.More}
	for _, leaf := range p.Leaves {
		out.Leaves = append(out.Leaves, string(leaf))
	}
	if p.Head != nil {
		head, err := json.Marshal(p.Head)
		if err != nil {
			return out, fmt.Errorf("write the head of the archive: %w", err)
		}
		raw := gateway.RawJSON(head)
		out.Head, out.Notes = &raw, p.Head.Notes
	}
	return out, nil
}

// ArchiveJournal takes a part of the journal away that verifies by itself.
func (c *LocalClient) ArchiveJournal(ctx context.Context, r ArchiveRequest) (ArchivePart, error) {
	return ask[ArchivePart](ctx, c, http.MethodPost, pathArchive, r)
}

// SearchJournal finds entries of the journal, a page at a time.
func (c *LocalClient) SearchJournal(ctx context.Context, s JournalSearch) (JournalFound, error) {
	return ask[JournalFound](ctx, c, http.MethodPost, pathSearch, s)
}

// ExportJournal takes entries away, a page at a time.
func (c *LocalClient) ExportJournal(ctx context.Context, s JournalSearch) (JournalExport, error) {
	return ask[JournalExport](ctx, c, http.MethodPost, pathExport, s)
}

// WriteArchive writes a whole archive, as journal.VerifyArchive reads it, and gives
// its head.
func (c *LocalClient) WriteArchive(ctx context.Context, r ArchiveRequest, w io.Writer) (head journal.Archive, err error) {
	for {
		part, err := c.ArchiveJournal(ctx, r)
		if err != nil {
			return head, err
		}
		if part.Head != nil {
			if err := json.Unmarshal(*part.Head, &head); err != nil {
				return head, fmt.Errorf("read the head of the archive: %w", err)
			}
			head.Notes = part.Notes
			if err := head.WriteHead(w); err != nil {
				return head, err
			}
		}
		for _, leaf := range part.Leaves {
			if err := journal.WriteRecord(w, []byte(leaf)); err != nil {
				return head, err
			}
		}
		if r.Page = part.More; r.Page == "" {
			return head, nil
		}
	}
}
