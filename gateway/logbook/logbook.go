// Package logbook writes entries of the journal in the forms of others: comma
// separated values for a spreadsheet, records of the Authorization Decision Log,
// and spans of Logboek Dataverwerkingen. Use it where entries leave a node. It is
// pure: nothing here reads a journal or sends anything.
//
// What leaves is what the journal holds, so no values of fields. Traces and spans
// are keyed digests: the same entry gives the same ones, so that who receives it
// twice can see that.
//
// Sources, read in November 2026: the drafts of Logius "Authorization Decision
// Log" (log record, AuthZEN request and response) and "Logboek Dataverwerkingen"
// (interface of the Logboek). Both still change.
package logbook

import (
	"cmp"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/trace"
)

// Record is one entry with its place and its trace.
type Record struct {
	Index uint64
	journal.Entry
	Trace [16]byte
	Span  [8]byte

	// Subject is the keyed pseudonym of the person whom the entry is about, from
	// the index that can be erased. Empty: it is about nobody, as everything about
	// capacity, or the person was erased.
	Subject string
}

// NewRecord gives an entry its trace: that of the message it is about, or one of
// its own.
func NewRecord(secret []byte, index uint64, e journal.Entry) Record {
	own, span := trace.IDs(secret, fmt.Sprintf("journal:%d:%d", index, e.Time.UnixNano()))
	r := Record{Index: index, Entry: e, Trace: own, Span: span}
	if e.Message != "" {
		r.Trace, _ = trace.IDs(secret, e.Message)
	}
	return r
}

// CSV writes records as a table that Dutch spreadsheets open: with semicolons and
// a byte order mark, times in UTC, lists with spaces between. No cell is taken for
// a formula.
type CSV struct{ w *csv.Writer }

// NewCSV writes the heads of the columns.
func NewCSV(w io.Writer) (*CSV, error) {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return nil, err
	}
	c := &CSV{csv.NewWriter(w)}
	c.w.Comma, c.w.UseCRLF = ';', true
	return c, c.w.Write([]string{
		"index", "time", "kind", "party", "principal", "recipients", "message", "fields", "forms", "count", "policy", "rule", "rules",
		"register", "caller", "outcome", "reason", "digest", "since",
	})
}

// Write writes one row.
func (c *CSV) Write(r Record) error {
	var fields, forms []string
	for _, f := range r.Fields {
		fields = append(fields, string(f))
	}
	for f, form := range r.Forms {
		forms = append(forms, fmt.Sprintf("%s=%v", f, form))
	}
	slices.Sort(forms)
	cells := []string{
		strconv.FormatUint(r.Index, 10), r.Time.UTC().Format(time.RFC3339Nano), r.Kind, text(r.Party), text(r.Principal), list(strings.Fields(r.Recipients)),
		r.Message, list(fields), list(forms), number(r.Count), r.Policy, r.Rule, strings.Join(r.Rules, ", "),
		number(int(r.Register)), r.Caller, r.Outcome, string(r.Reason), r.Digest, "",
	}
	if !r.Since.IsZero() {
		cells[len(cells)-1] = r.Since.UTC().Format(time.RFC3339Nano)
	}
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	return c.w.Write(cells)
}

// text is an OIN, marked so that a spreadsheet does not read it as a number and
// round it.
func text(oin gateway.OIN) string {
	if oin == "" {
		return ""
	}
	return "'" + string(oin)
}

func list(all []string) string {
	if len(all) == 1 && strings.Trim(all[0], "0123456789") == "" {
		return "'" + all[0]
	}
	return strings.Join(all, " ")
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// harmless keeps a spreadsheet from calculating what a cell says.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n|%", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// Close writes what is left.
func (c *CSV) Close() error {
	c.w.Flush()
	return c.w.Error()
}

// Activity is the URI of a processing activity: the rule of the policy under which
// something is shown, after a prefix; without a rule the kind of entry. It is the
// same for as long as the rule has its name.
func Activity(prefix string, self gateway.OIN, name string) string {
	return cmp.Or(prefix, "urn:nld:oin:"+string(self)+":verwerking:") + url.PathEscape(name)
}

// Spans are the lines of Logboek Dataverwerkingen about an entry: one for each
// processing activity, so for each rule that allowed it. The first is the span of
// the record and the parent of the others. Callers are left out: the standard
// wants no users.
func Spans(prefix string, self gateway.OIN, r Record) []trace.Record {
	activities := r.Rules
	if len(activities) == 0 {
		activities = []string{cmp.Or(r.Rule, r.Kind)}
	}
	var out []trace.Record
	for i, activity := range activities {
		one := trace.Record{Trace: r.Trace, Span: r.Span, Name: r.Kind, At: r.Time, Attributes: details(r)}
		if i > 0 {
			_, one.Span = trace.IDs(r.Span[:], strconv.Itoa(i))
			one.Parent = r.Span
		}
		one.Attributes = append(one.Attributes, trace.Attribute{Key: "dpl.core.processing_activity_id", Text: Activity(prefix, self, activity)})
		if r.Subject != "" {
			one.Attributes = append(one.Attributes,
				trace.Attribute{Key: "dpl.core.data_subject_id", Text: r.Subject},
				trace.Attribute{Key: "dpl.core.data_subject_id_type", Text: "urn:nld:oin:" + string(self) + ":pseudoniem"})
		}
		out = append(out, one)
	}
	return out
}

func details(r Record) (all []trace.Attribute) {
	add := func(key, value string) {
		if value != "" {
			all = append(all, trace.Attribute{Key: "doorstroom." + key, Text: value})
		}
	}
	var fields []string
	for _, f := range r.Fields {
		fields = append(fields, string(f))
	}
	add("journal.index", strconv.FormatUint(r.Index, 10))
	add("party", string(r.Party))
	add("principal", string(r.Principal))
	add("recipients", r.Recipients)
	add("fields", strings.Join(fields, " "))
	add("count", number(r.Count))
	add("policy", r.Policy)
	add("rule", r.Rule)
	add("register", number(int(r.Register)))
	add("outcome", r.Outcome)
	add("reason", string(r.Reason))
	add("digest", r.Digest)
	return all
}

// Resource is whose log lines these are.
func Resource(self gateway.OIN, version string) []trace.Attribute {
	return []trace.Attribute{
		{Key: "service.name", Text: "doorstroom"}, {Key: "service.instance.id", Text: string(self)}, {Key: "service.version", Text: version},
	}
}

// Line is the JSON of a value, without a line feed.
func Line(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write a line: %w", err)
	}
	return b, nil
}

func ids(r Record) (traceID, spanID string) {
	return hex.EncodeToString(r.Trace[:]), hex.EncodeToString(r.Span[:])
}
