package scenario

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// story is one made-up person who is referred.
type story struct {
	d        Demo
	by, to   *process
	others   []*process // who may release a place
	name     string
	offer    gateway.Capacity
	dagdeel  gateway.Dagdeel
	referral string
}

// wanted is a place in an allotment of the referrer's own: free, or full.
type wanted struct {
	offer   gateway.Capacity
	dagdeel gateway.Dagdeel
}

// referrals lets a consulent refer three made-up people to a company: one starts
// after a warm handover, one meets a full allotment and has a place once another
// party releases one, and of one a cancellation crosses the end. Where the scenario
// has no such places nothing is shown; it is an error if it has a story.
func (d Demo) referrals(ctx context.Context, running []*process, to *process) error {
	for _, by := range running {
		free, full, err := placesOf(ctx, by, to)
		if err != nil {
			return err
		}
		if by == to || len(free) < 2 || len(full) == 0 || d.Scenario.story != nil && d.Scenario.story.By != by.OIN {
			continue
		}
		fmt.Fprintf(d.Out, "\n%s\n\n", underline("Een consulent van "+by.Name+" verwijst drie mensen (verzonnen)"))
		for _, play := range []func(context.Context) error{
			(&story{d: d, by: by, to: to, name: "Kim", offer: free[0].offer, dagdeel: free[0].dagdeel}).starts,
			(&story{d: d, by: by, to: to, others: running, name: "Sam", offer: full[0].offer, dagdeel: full[0].dagdeel}).waits,
			(&story{d: d, by: by, to: to, name: "Robin", offer: free[1].offer, dagdeel: free[1].dagdeel}).crosses,
		} {
			if err := play(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	return d.lacking("van de drie mensen die verwezen worden is niets getoond: er is geen partij met twee vrije plekken en een volle toedeling bij %s", to.Name)
}

// lacking is the error of what the story of the scenario should have and has not;
// without a story nothing lacks.
func (d Demo) lacking(format string, args ...any) error {
	if d.Scenario.story == nil {
		return nil
	}
	return gateway.Errorf(gateway.Internal, "er ontbreekt iets in de demonstratie: "+format, args...)
}

// placesOf lists where a party's own allotments at a company have a place, and
// where they have none.
func placesOf(ctx context.Context, by, to *process) (free, full []wanted, err error) {
	offers, err := by.local.ReceivedOffers(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("ask %s what it received: %w", by.Name, err)
	}
	for _, o := range offers {
		if o.Sender != to.OIN || o.Capacity.Trajectsoort == "" || o.Capacity.Grondslag == "" || len(o.Capacity.Allotments) == 0 {
			continue
		}
		for _, p := range o.Capacity.Allotments[0].Places {
			switch {
			case p.Available == nil:
			case *p.Available > 0:
				free = append(free, wanted{o.Capacity, p.Dagdeel})
			default:
				full = append(full, wanted{o.Capacity, p.Dagdeel})
			}
		}
	}
	return free, full, nil
}

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.d.Out, "%s: %s\n", s.name, fmt.Sprintf(format, args...))
}

// find searches, and shows the first thing found in each group.
func (s *story) find(ctx context.Context) error {
	found, err := s.by.local.SearchPlaces(ctx, search.Demand{
		Trajectsoort: s.offer.Trajectsoort, Werksoorten: s.offer.Werksoorten, Dagdelen: []gateway.Dagdeel{s.dagdeel}, Postcode: "2951", MaxKm: 10, Limit: 1,
	})
	if err != nil {
		return fmt.Errorf("search places for %s: %w", s.by.Name, err)
	}
	for _, group := range found.Groups {
		for _, f := range group.Found {
			s.say("%s bij %s: %s", f.Offer, f.ProviderName, f.Text)
		}
	}
	return nil
}

// refer asks for the place and waits until the company has it.
func (s *story) refer(ctx context.Context) error {
	if err := s.find(ctx); err != nil {
		return err
	}
	today := gateway.DateOf(time.Now())
	asked, err := s.by.local.Refer(ctx, desk.NewReferral{Provider: s.to.OIN, Reference: "demo-" + s.name, Need: gateway.Need{
		Offer: s.offer.Offer, Fits: true, Informed: gateway.Informed{On: today, How: "gesprek"}, Grondslag: s.offer.Grondslag,
		Trajectsoort: s.offer.Trajectsoort, Dagdelen: []gateway.Dagdeel{s.dagdeel}, From: today,
		Contact: gateway.Functional{Name: "Consulent werk (verzonnen)"},
	}})
	if err != nil {
		return fmt.Errorf("%s refers: %w", s.by.Name, err)
	}
	s.referral = asked.Referral.ID
	return s.both(ctx, gateway.Requested)
}

// step takes a step of the company's, and waits until the referrer knows.
func (s *story) step(ctx context.Context, act gateway.ReferralAct, then gateway.ReferralStatus, reason string, date gateway.Date) error {
	if _, err := s.to.local.CommitReferral(ctx, desk.ReferralCommit{Referral: s.referral, Act: act, Reason: reason, Date: date}); err != nil {
		return fmt.Errorf("%s: %s: %w", s.to.Name, act, err)
	}
	return s.both(ctx, then)
}

// both waits until both sides say the same, and shows whose step is next.
func (s *story) both(ctx context.Context, want gateway.ReferralStatus) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	for {
		mine, err := s.by.local.Referral(ctx, s.referral)
		if err != nil {
			return fmt.Errorf("ask %s about a referral: %w", s.by.Name, err)
		}
		there, err := s.to.local.Referral(ctx, s.referral)
		if err == nil && mine.Status == want && there.Status == want && mine.Asked == "" {
			text := mine.StatusLabel
			if step := mine.NextStep; step != nil {
				text += fmt.Sprintf("; nu aan %s: %s, uiterlijk %s", step.Name, step.Action, step.Due)
			}
			s.say("%s", text)
			return nil
		}
		select {
		case <-ctx.Done():
			return gateway.Wrap(gateway.Unavailable, ctx.Err(), "de verwijzing van "+s.by.Name+" werd niet "+string(want))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// placed goes from the request to the start.
func (s *story) placed(ctx context.Context) error {
	for _, do := range []func() error{
		func() error { return s.refer(ctx) },
		func() error { return s.step(ctx, gateway.ActAccept, gateway.Accepted, "", "") },
		func() error { return s.step(ctx, gateway.ActAskHandover, gateway.HandoverAsked, "", "") },
		func() error {
			_, err := s.by.local.HandOver(ctx, desk.NewHandover{Referral: s.referral, Handover: gateway.Handover{
				Name: s.name + " Verzonnen", Phone: "085 000 00 99", Contact: gateway.Contact{Name: "Verzonnen consulent"},
			}})
			if err != nil {
				return fmt.Errorf("%s hands over: %w", s.by.Name, err)
			}
			return s.handedOver(ctx)
		},
		func() error {
			return s.step(ctx, gateway.ActStart, gateway.Started, "", gateway.DateOf(time.Now()))
		},
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// handedOver waits until the company has what was handed over: whom it is about, and
// nothing that its referrer did not say.
func (s *story) handedOver(ctx context.Context) error {
	if err := s.both(ctx, gateway.HandedOver); err != nil {
		return err
	}
	there, err := s.to.local.Referral(ctx, s.referral)
	if err != nil {
		return fmt.Errorf("ask %s about a referral: %w", s.to.Name, err)
	}
	if there.Handover == nil || there.Handover.Name != s.name+" Verzonnen" {
		return gateway.Errorf(gateway.Internal, "%s heeft niet wat %s van %s overdroeg", s.to.Name, s.by.Name, s.name)
	}
	return nil
}

func (s *story) starts(ctx context.Context) error { return s.placed(ctx) }

// waits meets a full allotment: nothing is booked, and the waiting list is the way,
// until a place comes free.
func (s *story) waits(ctx context.Context) error {
	if err := s.refer(ctx); err != nil {
		return err
	}
	_, err := s.to.local.CommitReferral(ctx, desk.ReferralCommit{Referral: s.referral, Act: gateway.ActAccept})
	if gateway.KindOf(err) != gateway.Conflict {
		return gateway.Errorf(gateway.Internal, "%s nam iemand aan op een toedeling die vol is", s.to.Name)
	}
	s.say("%s", gateway.SafeMessage(err))
	if err := s.step(ctx, gateway.ActWaitlist, gateway.Waitlisted, "", ""); err != nil {
		return err
	}
	list, err := s.to.local.WaitingList(ctx, s.offer.Offer)
	if err != nil {
		return fmt.Errorf("read the waiting list of %s: %w", s.to.Name, err)
	}
	if !slices.ContainsFunc(list, func(w desk.Waiter) bool { return w.Referral == s.referral }) {
		return gateway.Errorf(gateway.Internal, "%s heeft niemand op de wachtlijst gezet", s.to.Name)
	}
	return s.placedLater(ctx)
}

// placedLater goes on where waits ends: there is an alternative in another
// gemeente, but a place that another party releases comes before it.
func (s *story) placedLater(ctx context.Context) error {
	if err := s.alternative(ctx); err != nil {
		return err
	}
	giver, allotment, err := s.unused(ctx)
	if err != nil {
		return err
	}
	if giver == nil {
		s.say("niemand anders heeft op %s een plek over", s.dagdeel)
		return s.d.lacking("niemand heeft op %s een plek die vrijgegeven kan worden voor %s", s.dagdeel, s.name)
	}
	done, err := giver.local.AskAllotment(ctx, desk.NewShift{
		Provider: s.to.OIN, Offer: s.offer.Offer, Shifts: []gateway.Shift{{From: allotment, Dagdeel: s.dagdeel, Places: 1}},
	})
	if err != nil {
		return fmt.Errorf("%s releases a place: %w", giver.Name, err)
	}
	if done.Status != gateway.ShiftCommitted {
		return gateway.Errorf(gateway.Internal, "%s legde niet vast wat %s vrijgaf: %s", s.to.Name, giver.Name, done.Status)
	}
	s.say("%s geeft een plek op %s vrij die het niet gebruikt; %s heeft het vastgelegd", giver.Name, s.dagdeel, s.to.Name)
	if err := s.step(ctx, gateway.ActAccept, gateway.Accepted, "", ""); err != nil {
		return err
	}
	list, err := s.to.local.WaitingList(ctx, s.offer.Offer)
	if err != nil {
		return fmt.Errorf("read the waiting list of %s: %w", s.to.Name, err)
	}
	if slices.ContainsFunc(list, func(w desk.Waiter) bool { return w.Referral == s.referral }) {
		return gateway.Errorf(gateway.Internal, "%s laat iemand wachten die een plek heeft", s.to.Name)
	}
	return nil
}

// mostKm is how far somebody without a car or a bus can cycle.
const mostKm = 12

// alternative searches for any work in other gemeenten that can be cycled to.
func (s *story) alternative(ctx context.Context) error {
	found, err := s.by.local.SearchPlaces(ctx, search.Demand{
		Dagdelen: []gateway.Dagdeel{s.dagdeel}, Postcode: "2951", MaxKm: mostKm, Limit: 10,
	})
	if err != nil {
		return fmt.Errorf("search places for %s: %w", s.by.Name, err)
	}
	for _, group := range found.Groups {
		for _, f := range group.Found {
			wanted := s.d.Scenario.story == nil || s.d.Scenario.story.Elsewhere == f.Gemeente
			if group.Group == search.Elsewhere && f.Ride != nil && wanted {
				s.say("alternatief: %s bij %s: %s", f.Offer, f.ProviderName, f.Text)
				return nil
			}
		}
	}
	s.say("in andere gemeenten is binnen %d km fietsen niets te vinden", mostKm)
	return s.d.lacking("%s heeft geen alternatief in een andere gemeente dat binnen %d km te fietsen is", s.name, mostKm)
}

// unused finds a party with an allotment of its own in the same offer, of which a
// place on the dagdeel is free.
func (s *story) unused(ctx context.Context) (giver *process, allotment string, err error) {
	for _, p := range s.others {
		if p == s.by || p == s.to {
			continue
		}
		offers, err := p.local.ReceivedOffers(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("ask %s what it received: %w", p.Name, err)
		}
		for _, o := range offers {
			if o.Sender != s.to.OIN || o.Capacity.Offer != s.offer.Offer {
				continue
			}
			for _, a := range o.Capacity.Allotments {
				free := func(q gateway.CapacityPlaces) bool {
					return q.Dagdeel == s.dagdeel && q.Available != nil && *q.Available > 0
				}
				if slices.ContainsFunc(a.Places, free) {
					return p, a.ID, nil
				}
			}
		}
	}
	return nil, "", nil
}

// crosses cancels what the company completes at the same time.
func (s *story) crosses(ctx context.Context) error {
	if err := s.placed(ctx); err != nil {
		return err
	}
	_, err := s.by.local.AskReferral(ctx, desk.ReferralRequest{Referral: s.referral, Act: gateway.ActCancel, Reason: "verhuisd"})
	if err != nil {
		return fmt.Errorf("%s cancels: %w", s.by.Name, err)
	}
	if err := s.both(ctx, gateway.CancelAsked); err != nil {
		return err
	}
	return s.step(ctx, gateway.ActEnd, gateway.Ended, "uitstroom-betaald-werk", "")
}
