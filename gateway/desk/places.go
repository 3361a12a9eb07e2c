package desk

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/search"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// SearchPlaces finds the places that fit somebody, among what others offer this
// party and what it offers itself. The journal holds which fields were asked for
// and how many offers fit: nothing of what was asked.
func (d *Desk) SearchPlaces(ctx context.Context, caller gateway.Caller, demand search.Demand) (search.Result, error) {
	if err := caller.Authorize(gateway.OpSearchPlaces); err != nil {
		return search.Result{}, err
	}
	now := d.now()
	day := gateway.DateOf(now)
	if err := demand.Check(d.lists, day); err != nil {
		return search.Result{}, err
	}
	entry := d.entry(caller, string(gateway.OpSearchPlaces), now)
	entry.Fields = askedFields(demand)
	if demand.From == "" {
		demand.From = day
	}
	offers, err := d.searchable(ctx, &demand)
	if err != nil {
		return search.Result{}, err
	}
	result := search.Find(d.Map, d.lists, offers, demand)
	entry.Count = result.Fitting
	if err := d.Store.Append(ctx, now, entry); err != nil {
		return search.Result{}, fmt.Errorf("journal operation %s: %w", gateway.OpSearchPlaces, err)
	}
	return result, nil
}

// searchable are the offers in which this party may search. It fills in in whose
// name the party searches if the demand does not tell.
func (d *Desk) searchable(ctx context.Context, demand *search.Demand) ([]search.Offer, error) {
	if here := d.Map.Here(*demand); len(here) > 0 {
		demand.Gemeenten = here
	} else {
		demand.Gemeenten = d.gemeenten(demand.From)
	}
	received, err := d.Store.SharedOffers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read received offers: %w", err)
	}
	own, err := d.Store.OwnOffers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read own offers: %w", err)
	}
	offers := make([]search.Offer, 0, len(received)+len(own))
	day, name, sender, takesPart := gateway.DateOf(d.now()), "", gateway.OIN(""), false
	for _, o := range received { // by sender
		if o.Sender != sender {
			sender, name, takesPart = o.Sender, d.partyName(o.Sender), d.takesPart(o.Sender)
		}
		if takesPart {
			offers = append(offers, search.Offer{ProviderName: name, Capacity: shown(o, day)})
		}
	}
	name = d.partyName(d.Self)
	for _, o := range own {
		offers = append(offers, search.OwnOffer(o.Offer, name, demand.Gemeenten, demand.From))
	}
	return offers, nil
}

// shown is what a search sees of a received offer, which it leaves as it is: it
// comes from its sender, and when it has expired there is nothing available.
func shown(o *store.ReceivedOffer, day gateway.Date) *gateway.Capacity {
	c := &o.Capacity
	if c.Expired(day) {
		without := withoutAvailability(*c)
		c = &without
	}
	if c.Provider != o.Sender {
		sent := *c
		sent.Provider = o.Sender
		c = &sent
	}
	return c
}

// gemeenten are those that this party is, or acts for.
func (d *Desk) gemeenten(day gateway.Date) []gateway.Gemeente {
	reg := d.Rules().Register
	if reg == nil {
		return nil
	}
	self, ok := reg.Party(d.Self)
	if !ok {
		return nil
	}
	all := self.GemeentenOn(day)
	for _, m := range self.Mandates {
		if principal, ok := reg.Party(m.Principal); ok && day.Within(m.ValidFrom, m.ValidUntil) {
			all = append(all, principal.GemeentenOn(day)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// askedFields names the fields of an offer that a demand asks about.
func askedFields(demand search.Demand) (fields []gateway.Field) {
	names := map[search.Criterion]gateway.Field{
		search.Werksoort: gateway.FieldWerksoorten, search.Trajectsoort: gateway.FieldTrajectsoort, search.Fase: gateway.FieldFase,
		search.Trede: gateway.FieldTrede, search.Doelgroep: gateway.FieldDoelgroepen, search.Dagdeel: gateway.FieldAvailable,
		search.Begeleiding: gateway.FieldBegeleiding, search.Toegankelijkheid: gateway.FieldAccessibility,
		search.Taal: gateway.FieldAccessibility, search.Datum: "validFrom", search.Afstand: gateway.FieldPostcode,
	}
	for _, c := range demand.Asked() {
		if name := names[c]; !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	}
	return fields
}

// NoPlace is that no fitting place was found for somebody: of which werksoorten,
// and of which gemeente the person is. Nothing else is asked or kept.
type NoPlace struct {
	Werksoorten []string         `json:"werksoorten"` // each is counted
	Gemeente    gateway.Gemeente `json:"gemeente"`
}

// MissingPlaces is how often no place was found, in one month.
type MissingPlaces = store.MissingPlaces

// ReportMissing counts that no fitting place was found. The journal holds that it
// was counted, not for what.
func (d *Desk) ReportMissing(ctx context.Context, caller gateway.Caller, none NoPlace) error {
	if err := caller.Authorize(gateway.OpReportMissing); err != nil {
		return err
	}
	now := d.now()
	day := gateway.DateOf(now)
	if len(none.Werksoorten) == 0 || none.Gemeente == "" {
		return gateway.Errorf(gateway.Invalid, "say of which werksoort no place was found, and of which gemeente the person is")
	}
	for i, w := range none.Werksoorten {
		if err := d.lists.Check("werksoort", w, day); err != nil || slices.Contains(none.Werksoorten[:i], w) {
			return gateway.Errorf(gateway.Invalid, "a werksoort is a code of code list werksoort and is named once")
		}
	}
	if err := d.lists.Check("gemeente", string(none.Gemeente), day); err != nil {
		return gateway.Errorf(gateway.Invalid, "code list gemeente has no such code, or not any more")
	}
	entry := d.entry(caller, string(gateway.OpReportMissing), now)
	if err := d.Store.CountMissing(ctx, now, none.Gemeente, none.Werksoorten, entry); err != nil {
		return fmt.Errorf("count a missing place: %w", err)
	}
	return nil
}

// MissingPlaces lists how often no place was found, from one month until another,
// both included, written as 2026-11; "" is no bound.
func (d *Desk) MissingPlaces(ctx context.Context, caller gateway.Caller, from, until string) ([]MissingPlaces, error) {
	if err := caller.Authorize(gateway.OpMissingPlaces); err != nil {
		return nil, err
	}
	for _, month := range []string{from, until} {
		if _, err := time.Parse("2006-01", month); month != "" && err != nil {
			return nil, gateway.Errorf(gateway.Invalid, "a month is written as 2026-11")
		}
	}
	if from != "" && until != "" && from > until {
		return nil, gateway.Errorf(gateway.Invalid, "the first month comes after the last")
	}
	if err := d.read(ctx, caller, gateway.OpMissingPlaces); err != nil {
		return nil, err
	}
	all, err := d.Store.MissingPlaces(ctx, from, until)
	if err != nil {
		return nil, fmt.Errorf("read missing places: %w", err)
	}
	return all, nil
}
