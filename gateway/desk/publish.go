package desk

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// ImportReport is what became of one import.
type ImportReport struct {
	Source    string               `json:"source"`
	Offers    int                  `json:"offers"` // good ones in the export
	New       int                  `json:"new"`
	Changed   int                  `json:"changed"`
	Unchanged int                  `json:"unchanged"`
	Bad       int                  `json:"bad"`                 // offers that could not be read or published
	Kept      []string             `json:"kept,omitempty"`      // of those, whose last good version stays
	Withdrawn []string             `json:"withdrawn,omitempty"` // no longer in a full export
	Held      []string             `json:"held,omitempty"`      // nothing was done until somebody confirms: these would vanish, or are in Short
	Short     []string             `json:"short,omitempty"`     // get fewer places than are taken
	Adopted   []string             `json:"adopted,omitempty"`   // their allotments are by now those that were agreed on here
	Replaced  []string             `json:"replaced,omitempty"`  // their allotments are others by now: what was agreed on has ended
	Messages  int                  `json:"messages"`            // queued for other parties
	Denied    []publication.Denial `json:"denied,omitempty"`
	Problems  []gateway.RowProblem `json:"problems,omitempty"`
}

// PublishCapacity takes one import of the admin: changed offers are published,
// unchanged ones are not sent again, a bad row keeps the last good version of
// its offer, and a full export withdraws what it no longer contains. If so much
// would vanish that a mistake is likely, the whole batch is held; confirm sends
// it all the same.
func (d *Desk) PublishCapacity(ctx context.Context, caller gateway.Caller, imp gateway.Import, confirm bool) (ImportReport, error) {
	if err := caller.Authorize(gateway.OpPublish); err != nil {
		return ImportReport{}, err
	}
	if confirm {
		if err := caller.Authorize(gateway.OpConfirmImport); err != nil {
			return ImportReport{}, err
		}
	}
	d.importing.Lock()
	defer d.importing.Unlock()
	return d.publish(ctx, caller, imp, confirm)
}

// ConfirmImport publishes the held batch of a source.
func (d *Desk) ConfirmImport(ctx context.Context, caller gateway.Caller, source string) (ImportReport, error) {
	d.importing.Lock()
	defer d.importing.Unlock()
	held, err := d.heldImport(ctx, caller, source)
	if err != nil {
		return ImportReport{}, err
	}
	return d.publish(ctx, caller, held.Import, true)
}

// DropImport forgets the held batch of a source; nothing changes for anybody.
func (d *Desk) DropImport(ctx context.Context, caller gateway.Caller, source string) error {
	d.importing.Lock()
	defer d.importing.Unlock()
	if _, err := d.heldImport(ctx, caller, source); err != nil {
		return err
	}
	now := d.now()
	state, _, err := d.Store.ImportState(ctx, source)
	if err != nil {
		return fmt.Errorf("read import: %w", err)
	}
	state.Held = nil
	entry := d.entry(caller, journal.KindImport, now)
	entry.Outcome = "dropped"
	if err := d.Store.SaveImport(ctx, now, state, []journal.Entry{entry}); err != nil {
		return fmt.Errorf("drop held import: %w", err)
	}
	return nil
}

func (d *Desk) heldImport(ctx context.Context, caller gateway.Caller, source string) (*store.HeldImport, error) {
	if err := caller.Authorize(gateway.OpConfirmImport); err != nil {
		return nil, err
	}
	state, ok, err := d.Store.ImportState(ctx, source)
	if err != nil {
		return nil, fmt.Errorf("read import: %w", err)
	}
	if !ok || state.Held == nil {
		return nil, gateway.Errorf(gateway.NotFound, "no import of this source is waiting for confirmation")
	}
	return state.Held, nil
}

func (d *Desk) publish(ctx context.Context, caller gateway.Caller, imp gateway.Import, confirmed bool) (ImportReport, error) {
	ctx, span := d.Trace.Start(ctx, "publish")
	report, err := d.take(ctx, caller, imp, confirmed)
	span.Count("offers", len(imp.Offers))
	span.Count("messages", report.Messages)
	span.End(err)
	return report, err
}

func (d *Desk) take(ctx context.Context, caller gateway.Caller, imp gateway.Import, confirmed bool) (ImportReport, error) {
	if err := checkCounted(imp); err != nil {
		return ImportReport{}, err
	}
	now := d.now()
	report := ImportReport{Source: imp.Source, Problems: slices.Concat(imp.Problems, d.unknownCodes(imp.Counted))}
	known, err := d.Store.OwnOffersOf(ctx, mentionedIn(imp))
	if err != nil {
		return report, fmt.Errorf("read own offers: %w", err)
	}
	change := publication.Change{Entry: d.entry(caller, journal.KindImport, now)}
	shifted := imp // as requests about allotments left it; what is held is as it came
	if shifted.Offers, change.Over, err = d.Store.Shifted(ctx, imp.Offers); err != nil {
		return report, fmt.Errorf("read shifted allotments: %w", err)
	}
	put, mentioned, err := d.sift(shifted, known, now, &report)
	if err != nil {
		return report, fmt.Errorf("read own offers: %w", err)
	}
	change.Put = put
	vanished, total, err := d.vanishedOffers(ctx, imp, mentioned)
	if err != nil {
		return report, err
	}
	if err := d.fits(ctx, report.New, len(vanished)); err != nil {
		return report, err
	}
	if report.Short, err = d.lowered(ctx, put, known, imp.Counted, now); err != nil {
		return report, err
	}
	if (d.tooMany(len(vanished), total) || len(report.Short) > 0) && !confirmed {
		return d.hold(ctx, caller, now, imp, vanished, report)
	}
	for _, gone := range vanished {
		whole, err := gone.Whole()
		if err != nil {
			return report, fmt.Errorf("read own offer: %w", err)
		}
		report.Withdrawn = append(report.Withdrawn, gone.ID)
		change.Delete = append(change.Delete, whole)
	}
	return d.commitImport(ctx, now, imp, change, report)
}

func (d *Desk) commitImport(ctx context.Context, now time.Time, imp gateway.Import, change publication.Change, report ImportReport) (ImportReport, error) {
	change.Entry.Count = report.New + report.Changed + len(report.Withdrawn)
	change.Import = &store.ImportState{
		Source: imp.Source, At: now, Offers: report.Offers, Changed: report.New + report.Changed,
		Withdrawn: len(report.Withdrawn), Bad: report.Bad, Problems: report.Problems,
	}
	before, _, err := d.Store.ImportState(ctx, imp.Source)
	if err != nil {
		return report, fmt.Errorf("read import: %w", err)
	}
	change.Import.Taken = taken(before, imp)
	change.Fresh = imp.Full
	if !imp.Full { // it says nothing of a full export that waits
		change.Import.Held = before.Held
	}
	for _, id := range slices.Sorted(maps.Keys(change.Over)) {
		if change.Over[id] == gateway.ShiftAdopted {
			report.Adopted = append(report.Adopted, id)
		} else {
			report.Replaced = append(report.Replaced, id)
		}
	}
	progress, end := d.follow(imp.Source, now)
	defer end()
	change.Progress = progress
	if err := d.countParticipants(ctx, now, imp.Counted, true); err != nil {
		return report, err
	}
	result, err := d.publisher.Publish(ctx, now, change)
	d.wake(result) // also for what was committed before an error
	d.shiftsMoved()
	if imp.Full {
		d.RulesChanged() // who waited for it since a restore
	}
	if err != nil {
		return report, fmt.Errorf("publish import: %w", err)
	}
	report.Messages, report.Denied = result.Messages, result.Denied
	return report, d.countParticipants(ctx, now, imp.Counted, false)
}

// rememberTaken is how many exports of a source are remembered.
const rememberTaken = 50

// taken adds an export to those of its source that were imported or held.
func taken(before store.ImportState, imp gateway.Import) []string {
	if imp.Digest == "" || slices.Contains(before.Taken, imp.Digest) {
		return before.Taken
	}
	all := append(slices.Clone(before.Taken), imp.Digest)
	return all[max(0, len(all)-rememberTaken):]
}

// ownAtOnce is how many own offers are read into memory together.
const ownAtOnce = 1000

// vanishedOffers are those that a full export of their source no longer
// mentions, out of so many in total.
func (d *Desk) vanishedOffers(ctx context.Context, imp gateway.Import, mentioned map[string]bool) (vanished []store.KnownOffer, total int, err error) {
	if !imp.Full {
		return nil, 0, nil
	}
	for after := ""; ; {
		some, err := d.Store.KnownAfter(ctx, after, ownAtOnce)
		if err != nil {
			return nil, 0, fmt.Errorf("read own offers: %w", err)
		}
		if len(some) == 0 {
			return vanished, total, nil
		}
		for _, o := range some {
			after = o.ID
			if o.Source != imp.Source {
				continue
			}
			total++
			if !mentioned[o.ID] {
				vanished = append(vanished, o)
			}
		}
	}
}

// tooMany: more than so many offers *and* more than such a share of the source.
func (d *Desk) tooMany(vanished, total int) bool {
	offers, percent := d.Vanish()
	return vanished > offers && vanished*100 > total*percent
}

// fits refuses an import by which there would be more own offers than a list of
// them holds. One that adds none is taken, whatever there is.
func (d *Desk) fits(ctx context.Context, added, vanished int) error {
	if added <= vanished {
		return nil
	}
	own, err := d.Store.CountOwnOffers(ctx)
	if err != nil {
		return fmt.Errorf("count own offers: %w", err)
	}
	most := cmp.Or(d.MaxOffers, gateway.MaxShown)
	if all := own + added - vanished; all > most {
		return gateway.Errorf(gateway.Limit,
			"met deze export zouden er %d aanbiedingen zijn; een node toont er hoogstens %d (limits.offers)", all, most)
	}
	return nil
}

func (d *Desk) hold(ctx context.Context, caller gateway.Caller, now time.Time, imp gateway.Import, vanished []store.KnownOffer, report ImportReport) (ImportReport, error) {
	state, _, err := d.Store.ImportState(ctx, imp.Source)
	if err != nil {
		return report, fmt.Errorf("read import: %w", err)
	}
	for _, o := range vanished {
		report.Held = append(report.Held, o.ID)
	}
	state.Source = imp.Source
	state.Taken = taken(state, imp)
	state.Held = &store.HeldImport{At: now, Import: imp, Vanished: report.Held}
	report.Held = append(slices.Clone(report.Held), report.Short...)
	entry := d.entry(caller, journal.KindImportHeld, now)
	entry.Count = len(report.Held)
	if err := d.Store.SaveImport(ctx, now, state, []journal.Entry{entry}); err != nil {
		return report, fmt.Errorf("hold import: %w", err)
	}
	d.Log.Warn("import held: too many offers would vanish, or have fewer places than are taken",
		"source", imp.Source, "vanishing", len(vanished), "short", len(report.Short))
	return report, nil
}

// lowered names the offers to which an import would leave fewer places than
// referrals and others take.
func (d *Desk) lowered(ctx context.Context, put []store.OwnOffer, known map[string]*store.KnownOffer, counted map[string][]string, now time.Time) (ids []string, err error) {
	taken, err := d.takenAfter(ctx, now, counted)
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	for _, o := range put {
		var before store.OwnOffer
		if old, ok := known[o.Offer.ID]; ok {
			if before, err = old.Whole(); err != nil {
				return nil, fmt.Errorf("read own offer: %w", err)
			}
		}
		if o.Offer.Lowers(before.Offer, taken[o.Offer.ID]) {
			ids = append(ids, o.Offer.ID)
		}
	}
	return ids, nil
}

func (d *Desk) wake(r publication.Result) {
	if len(r.Recipients) > 0 {
		d.Wake(r.Recipients)
	}
}

// Renew is the clock's part: samples that are due, offers that expired, rules
// with dates. It does nothing where nothing is due.
func (d *Desk) Renew(ctx context.Context) error {
	now := d.now()
	d.newDay(now)
	d.learnClosings(ctx)
	if err := d.Store.BreakGlassOver(ctx, now); err != nil {
		d.Log.Error("the end of break-glass access was not journaled", "error", err)
	}
	if err := d.waited(ctx, now); err != nil {
		d.Log.Error("the policy that waited did not come in force", "error", err)
	}
	if err := d.eraseDue(ctx, now); err != nil {
		d.Log.Error("referrals whose term is over were not all erased", "error", err)
	}
	if err := d.subjectDaily(ctx, now); err != nil {
		d.Log.Error("not all requests of inhabitants that need nobody were made or answered", "error", err)
	}
	result, err := d.publisher.Renew(ctx, now, false)
	d.wake(result)
	if err != nil {
		return fmt.Errorf("renew what is shown: %w", err)
	}
	return d.refreshTaken(ctx, now)
}

// refreshTaken shows the places that referrals have booked or freed.
func (d *Desk) refreshTaken(ctx context.Context, now time.Time) error {
	result, err := d.publisher.Refresh(ctx, now)
	d.wake(result)
	if err != nil {
		return fmt.Errorf("show what referrals take: %w", err)
	}
	return nil
}

// OwnOffers is what this node offers, sorted by id.
func (d *Desk) OwnOffers(ctx context.Context, caller gateway.Caller) ([]store.OwnOffer, error) {
	if err := d.read(ctx, caller, gateway.OpOwnOffers); err != nil {
		return nil, err
	}
	return d.Store.OwnOffers(ctx)
}

// ReceivedOffer is an offer of another party as it may be shown here.
type ReceivedOffer struct {
	Sender     gateway.OIN      `json:"sender"`
	SenderName string           `json:"senderName"`
	Capacity   gateway.Capacity `json:"capacity"`
	Expired    bool             `json:"expired,omitempty"`
	Received   time.Time        `json:"received"`
}

// ReceivedOffers is what others offer, sorted by sender and offer. An expired
// offer is listed without availability; offers of a party that has left the
// register are not listed: it can no longer take them back.
func (d *Desk) ReceivedOffers(ctx context.Context, caller gateway.Caller) ([]ReceivedOffer, error) {
	if err := d.read(ctx, caller, gateway.OpReceivedOffers); err != nil {
		return nil, err
	}
	stored, err := d.Store.ReceivedOffers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read received offers: %w", err)
	}
	day := gateway.DateOf(d.now())
	offers := make([]ReceivedOffer, 0, len(stored))
	for i := range stored {
		if d.takesPart(stored[i].Sender) {
			offers = append(offers, d.receivedOffer(&stored[i], day))
		}
	}
	slices.SortFunc(offers, func(a, b ReceivedOffer) int {
		return cmp.Or(cmp.Compare(a.Sender, b.Sender), cmp.Compare(a.Capacity.Offer, b.Capacity.Offer))
	})
	return offers, nil
}

// receivedOffersOf are the received offers of one id, of one party or, with "", of
// each that has one. They share what they point to with others: they are to be read
// only.
func (d *Desk) receivedOffersOf(ctx context.Context, sender gateway.OIN, offer string) (found []ReceivedOffer, err error) {
	stored, err := d.Store.SharedOffers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read received offers: %w", err)
	}
	day := gateway.DateOf(d.now())
	for _, s := range stored {
		if s.Capacity.Offer == offer && (sender == "" || s.Sender == sender) && d.takesPart(s.Sender) {
			found = append(found, d.receivedOffer(s, day))
		}
	}
	return found, nil
}

func (d *Desk) receivedOffer(s *store.ReceivedOffer, day gateway.Date) ReceivedOffer {
	o := ReceivedOffer{Sender: s.Sender, SenderName: d.partyName(s.Sender), Capacity: s.Capacity, Received: s.Received}
	if o.Expired = s.Capacity.Expired(day); o.Expired {
		o.Capacity = withoutAvailability(s.Capacity)
	}
	return o
}

func withoutAvailability(c gateway.Capacity) gateway.Capacity {
	c.Status = ""
	c.Places = nil
	c.Allotments = nil
	return c
}

func (d *Desk) takesPart(oin gateway.OIN) bool {
	reg := d.Rules().Register
	if reg == nil {
		return false
	}
	_, ok := reg.Party(oin)
	return ok
}

func (d *Desk) partyName(oin gateway.OIN) string {
	if reg := d.Rules().Register; reg != nil {
		if p, ok := reg.Party(oin); ok {
			return p.Name
		}
	}
	return ""
}

// Text is the report for people, in Dutch.
func (r ImportReport) Text() string {
	var b strings.Builder
	if len(r.Held) > 0 {
		if gone := len(r.Held) - len(r.Short); gone > 0 {
			fmt.Fprintf(&b, "VASTGEHOUDEN: %s niet meer in dit bestand. Er is nog niets veranderd.\n", gateway.Count(gone, "aanbieding staat", "aanbiedingen staan"))
		}
		if len(r.Short) > 0 {
			fmt.Fprintf(&b, "VASTGEHOUDEN: minder plekken dan er bezet zijn bij %s. Er is nog niets veranderd.\n", strings.Join(r.Short, ", "))
		}
		b.WriteString("Klopt het? Geef dan opnieuw door met: doorstroom publish --confirm\n")
	} else {
		fmt.Fprintf(&b, "Ingelezen: %s (%d nieuw, %d gewijzigd, %d ongewijzigd), %d ingetrokken; %s klaargezet.\n",
			gateway.Count(r.Offers, "aanbieding", "aanbiedingen"), r.New, r.Changed, r.Unchanged, len(r.Withdrawn), gateway.Count(r.Messages, "bericht", "berichten"))
	}
	if len(r.Adopted) > 0 {
		fmt.Fprintf(&b, "De toedeling die is afgesproken staat nu in de export: %s.\n", strings.Join(r.Adopted, ", "))
	}
	if len(r.Replaced) > 0 {
		fmt.Fprintf(&b, "LET OP: de export heeft een andere toedeling dan is afgesproken; die van de export geldt nu: %s.\n", strings.Join(r.Replaced, ", "))
	}
	if len(r.Kept) > 0 {
		fmt.Fprintf(&b, "Van %s regels.\n", gateway.Count(len(r.Kept), "aanbieding blijft de laatste goede versie staan: er is iets mis met haar",
			"aanbiedingen blijft de laatste goede versie staan: er is iets mis met hun"))
	}
	for _, p := range r.Problems {
		b.WriteString(p.Text() + "\n")
	}
	return b.String()
}
