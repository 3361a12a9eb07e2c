package desk_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/search"
)

func pair(t *testing.T) *gt.Federation {
	return gt.NewFederation(t,
		gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}})
}

// operations calls every desk operation as one caller.
func operations(f *gt.Federation) map[gateway.Operation]func(gateway.Caller) error {
	ctx := context.Background()
	d := f.Node(gt.Smile).Desk
	return map[gateway.Operation]func(gateway.Caller) error{
		gateway.OpPublish: func(c gateway.Caller) error {
			_, err := d.PublishCapacity(ctx, c, gateway.Import{Source: "test"}, false)
			return err
		},
		gateway.OpConfirmImport: func(c gateway.Caller) error {
			_, err := d.ConfirmImport(ctx, c, "test")
			return err
		},
		gateway.OpOwnOffers:      func(c gateway.Caller) error { _, err := d.OwnOffers(ctx, c); return err },
		gateway.OpReceivedOffers: func(c gateway.Caller) error { _, err := d.ReceivedOffers(ctx, c); return err },
		gateway.OpSearchPlaces:   func(c gateway.Caller) error { _, err := d.SearchPlaces(ctx, c, search.Demand{}); return err },
		gateway.OpReportMissing: func(c gateway.Caller) error {
			return d.ReportMissing(ctx, c, desk.NoPlace{Werksoorten: []string{"groen"}, Gemeente: "gm0482"})
		},
		gateway.OpMissingPlaces:  func(c gateway.Caller) error { _, err := d.MissingPlaces(ctx, c, "", ""); return err },
		gateway.OpStatus:         func(c gateway.Caller) error { _, err := d.Status(ctx, c); return err },
		gateway.OpShowRegister:   func(c gateway.Caller) error { _, err := d.ShowRegister(ctx, c); return err },
		gateway.OpChangeRegister: func(c gateway.Caller) error { _, err := d.InstallRegister(ctx, c, f.Register); return err },
		gateway.OpExplainPolicy: func(c gateway.Caller) error {
			_, err := d.Explain(ctx, c, desk.Question{Recipient: "gm0482", Offer: "groen"})
			return err
		},
		gateway.OpReload:         func(c gateway.Caller) error { _, err := d.Reload(ctx, c); return err },
		gateway.OpDiffPolicy:     func(c gateway.Caller) error { _, err := d.Diff(ctx, c, nil, nil); return err },
		gateway.OpReplayPolicy:   func(c gateway.Caller) error { _, err := d.Replay(ctx, c, nil, 30); return err },
		gateway.OpPolicyHistory:  func(c gateway.Caller) error { _, err := d.PolicyLog(ctx, c); return err },
		gateway.OpPolicyRollback: func(c gateway.Caller) error { _, err := d.PolicyRollback(ctx, c, ""); return err },
		gateway.OpListJournal:    func(c gateway.Caller) error { _, err := d.Journal(ctx, c, 0, 1); return err },
		gateway.OpBackup:         func(c gateway.Caller) error { _, err := d.Backup(ctx, c); return err },
		gateway.OpDoctor:         func(c gateway.Caller) error { _, err := d.Doctor(ctx, c); return err },
		gateway.OpBreakGlass: func(c gateway.Caller) error {
			_, err := d.BreakGlass(ctx, c, "om te proberen of het mag", time.Minute)
			return err
		},
		gateway.OpProposePolicy:  func(c gateway.Caller) error { _, err := d.ProposePolicy(ctx, c, "niemand"); return err },
		gateway.OpListProposals:  func(c gateway.Caller) error { _, err := d.Proposals(ctx, c); return err },
		gateway.OpAnswerProposal: func(c gateway.Caller) error { return d.AnswerProposal(ctx, c, 1000, "") },

		gateway.OpListBreakGlass:        func(c gateway.Caller) error { _, err := d.ListBreakGlass(ctx, c); return err },
		gateway.OpAcknowledgeBreakGlass: func(c gateway.Caller) error { _, err := d.AcknowledgeBreakGlass(ctx, c, 9); return err },

		gateway.OpTestWebhook: func(c gateway.Caller) error { return d.PostTest(ctx, c, "geen") },
		gateway.OpReadEvents:  func(c gateway.Caller) error { _, err := d.Events(ctx, c, desk.EventQuery{}); return err },
		gateway.OpRefer: func(c gateway.Caller) error {
			_, err := d.Refer(ctx, c, desk.NewReferral{Need: gateway.Need{Offer: "geen"}})
			return err
		},
		gateway.OpAskReferral: func(c gateway.Caller) error {
			_, err := d.AskReferral(ctx, c, desk.ReferralRequest{Referral: "geen"})
			return err
		},
		gateway.OpHandOver: func(c gateway.Caller) error {
			_, err := d.HandOver(ctx, c, desk.NewHandover{Referral: "geen"})
			return err
		},
		gateway.OpCommitReferral: func(c gateway.Caller) error {
			_, err := d.CommitReferral(ctx, c, desk.ReferralCommit{Referral: "geen"})
			return err
		},
		gateway.OpListReferrals: func(c gateway.Caller) error {
			_, err := d.ListReferrals(ctx, c, desk.ReferralFilter{})
			return err
		},
		gateway.OpReadReferral:    func(c gateway.Caller) error { _, err := d.ReadReferral(ctx, c, "geen"); return err },
		gateway.OpEraseReferral:   func(c gateway.Caller) error { return d.EraseReferral(ctx, c, "geen") },
		gateway.OpWaitingList:     func(c gateway.Caller) error { _, err := d.WaitingList(ctx, c, "groen"); return err },
		gateway.OpListAllotments:  func(c gateway.Caller) error { _, err := d.ListShifts(ctx, c); return err },
		gateway.OpAskAllotment:    func(c gateway.Caller) error { _, err := d.AskShift(ctx, c, desk.NewShift{}); return err },
		gateway.OpAnswerAllotment: func(c gateway.Caller) error { _, err := d.AnswerShift(ctx, c, "geen", true); return err },
		gateway.OpAskSubject: func(c gateway.Caller) error {
			_, err := d.AskSubject(ctx, c, desk.SubjectAsk{Act: gateway.Erase})
			return err
		},
		gateway.OpAnswerSubject: func(c gateway.Caller) error { _, err := d.AnswerSubject(ctx, c, desk.SubjectReply{}); return err },
		gateway.OpListSubject:   func(c gateway.Caller) error { _, err := d.ListSubject(ctx, c); return err },
		gateway.OpReportSubject: func(c gateway.Caller) error {
			_, err := d.ReportSubject(ctx, c, desk.SubjectQuestion{Name: "niemand"})
			return err
		},
		gateway.OpReadSubject:     func(c gateway.Caller) error { _, err := d.ReadSubject(ctx, c, "geen"); return err },
		gateway.OpRetentionReport: func(c gateway.Caller) error { _, err := d.RetentionReport(ctx, c); return err },

		gateway.OpVerifyJournal:  func(c gateway.Caller) error { _, err := d.VerifyJournal(ctx, c); return err },
		gateway.OpProveJournal:   func(c gateway.Caller) error { _, err := d.ProveEntry(ctx, c, 0); return err },
		gateway.OpWitnessJournal: func(c gateway.Caller) error { _, err := d.WitnessNow(ctx, c); return err },
		gateway.OpSearchJournal: func(c gateway.Caller) error {
			_, err := d.SearchJournal(ctx, c, desk.JournalSearch{Limit: 1})
			return err
		},
		gateway.OpArchiveJournal: func(c gateway.Caller) error {
			_, err := d.ArchiveJournal(ctx, c, desk.ArchiveRequest{Until: time.Now()})
			return err
		},
		gateway.OpExportJournal: func(c gateway.Caller) error {
			_, err := d.ExportJournal(ctx, c, desk.JournalSearch{Limit: 1})
			return err
		},
	}
}

// Every operation × every role: the desk does what the table says, and nothing
// for a caller without roles.
func TestOperationsByRole(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		f.Publish(gt.Smile, gt.Offer("groen"))
		calls := operations(f)
		for _, op := range gateway.Operations() {
			call, ok := calls[op]
			if !ok {
				t.Errorf("operation %s is not tried", op)
				continue
			}
			if got := gateway.KindOf(call(gateway.Caller{Name: "niemand"})); got != gateway.Denied {
				t.Errorf("%s without a role: got kind %v, want Denied", op, got)
			}
			for _, role := range gateway.Roles() {
				caller := gateway.Caller{Name: "iemand", Roles: []gateway.Role{role}}
				err := call(caller)
				if got, want := gateway.KindOf(err) != gateway.Denied || err == nil, caller.May(op); got != want {
					t.Errorf("%s as %s: got allowed %v (%v), want %v", op, role, got, err, want)
				}
			}
		}
	})
}

// The name of a caller is not in the journal, but two callers can be told apart.
func TestCallersArePseudonyms(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		for _, name := range []string{"Jannie Fictief", "Piet Verzonnen", "Jannie Fictief"} {
			caller := gateway.Caller{Name: name, Roles: []gateway.Role{gateway.PrivacyOfficer}}
			if _, err := f.Node(gt.Smile).Desk.OwnOffers(context.Background(), caller); err != nil {
				t.Fatal(err)
			}
		}
		var callers []string
		for _, r := range f.Journal(gt.Smile) {
			if strings.Contains(gt.Dump(r), "Jannie") {
				t.Errorf("the journal names a caller: %s", gt.Dump(r))
			}
			if r.Kind == string(gateway.OpOwnOffers) {
				callers = append(callers, r.Caller)
			}
		}
		if len(callers) != 3 || callers[0] != callers[2] || callers[0] == callers[1] || callers[0] == "" {
			t.Errorf("got pseudonyms %v, want the first and last the same", callers)
		}
	})
}

// A bad row keeps the last good version of its offer and marks it; mending the
// row clears the mark.
func TestBadRowKeepsLastGoodVersion(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Smile).Desk
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		f.Settled(time.Hour)
		bad := gateway.Import{Source: "test", Full: true, Offers: []gateway.Offer{gt.Offer("een")}, Problems: []gateway.RowProblem{
			{File: "export.csv", Line: 3, Column: "Werksoort", Offer: "twee", Message: "onbekend in codelijst werksoort"},
		}}
		report, err := d.PublishCapacity(ctx, gt.Everyone(), bad, false)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(report.Kept, []string{"twee"}) || len(report.Withdrawn) != 0 {
			t.Errorf("got kept %v, withdrawn %v, want twee kept", report.Kept, report.Withdrawn)
		}
		marked := func() string {
			offers, err := d.OwnOffers(ctx, gt.Everyone())
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range offers {
				if o.Offer.ID == "twee" {
					return o.Problem
				}
			}
			return "gone"
		}
		if got := marked(); got == "" || got == "gone" {
			t.Errorf("got mark %q, want the problem", got)
		}
		if got := len(f.Received(gt.Alblasserdam, gt.Smile)); got != 2 {
			t.Errorf("Alblasserdam holds %d offers, want 2", got)
		}
		f.Publish(gt.Smile, gt.Offer("een"), gt.Offer("twee"))
		if got := marked(); got != "" {
			t.Errorf("after mending: got mark %q, want none", got)
		}
	})
}

// Offers that cannot be published are reported like bad rows: another party's,
// a double, another source's, invariants broken, texts that fit no message.
func TestOffersThatCannotBePublished(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Smile).Desk
		f.Publish(gt.Smile, gt.Offer("bekend"))
		change := func(id string, change func(*gateway.Offer)) gateway.Offer {
			o := gt.Offer(id)
			change(&o)
			return o
		}
		for name, offers := range map[string][]gateway.Offer{
			"another party's":  {change("x", func(o *gateway.Offer) { o.Provider = gt.Drechtwerk })},
			"another source's": {gt.Offer("bekend")},
			"over-allotted":    {change("x", func(o *gateway.Offer) { o.Allotments[0].Places[0].Maximum = 6 })},
			"unknown code":     {change("x", func(o *gateway.Offer) { o.Werksoorten = []string{"ruimtevaart"} })},
			"control character": {change("x", func(o *gateway.Offer) {
				o.Contact.Name = "Fictieve\x1b[31mPersoon"
			})},
			"address too long":  {change("x", func(o *gateway.Offer) { o.Location.Address.Street = strings.Repeat("a", 5000) })},
			"backward validity": {change("x", func(o *gateway.Offer) { o.ValidUntil = "1999-01-01" })},
		} {
			report, err := d.PublishCapacity(ctx, gt.Everyone(), gateway.Import{Source: "ander", Offers: offers}, false)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if report.Offers != 0 || len(report.Problems) == 0 || report.Problems[0].Message == "" {
				t.Errorf("%s: got %d offers and problems %v, want a problem", name, report.Offers, report.Problems)
			}
		}
		report, err := d.PublishCapacity(ctx, gt.Everyone(), gateway.Import{Source: "ander", Offers: []gateway.Offer{gt.Offer("dubbel"), gt.Offer("dubbel")}}, false)
		if err != nil || report.Offers != 1 || len(report.Problems) != 1 {
			t.Errorf("double: got %d offers, problems %v, %v, want one of each", report.Offers, report.Problems, err)
		}
	})
}

// Bands reach the others at the fixed moment only, whatever happens in between;
// the sole owner follows its own allotment at once.
func TestBandsWaitForTheFixedMoment(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := gt.NewFederation(t,
			gt.Member{OIN: gt.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
			gt.Member{OIN: gt.Alblasserdam, Name: "Alblasserdam", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0482"}},
			gt.Member{OIN: gt.Dordrecht, Name: "Dordrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0505"}})
		f.Publish(gt.Smile, gt.Offer("groen"))
		f.Settled(time.Hour)
		f.Publish(gt.Smile, gt.Occupy(gt.Occupy(gt.Offer("groen"), "alblasserdam", 5), "overig", 5))
		f.Settled(time.Hour)
		own := f.Received(gt.Alblasserdam, gt.Smile)["groen"].Allotments[0].Places[0]
		if own.Available == nil || *own.Available != 0 {
			t.Errorf("the sole owner sees %s, want 0 free at once", gt.Dump(own))
		}
		if got, want := f.Received(gt.Dordrecht, gt.Smile)["groen"].Places[0].Band, gateway.Ruim; got != want {
			t.Errorf("the same day: got band %q, want %q", got, want)
		}
		time.Sleep(9 * 24 * time.Hour)
		if got, want := f.Received(gt.Dordrecht, gt.Smile)["groen"].Places[0].Band, gateway.Ruim; got != want {
			t.Errorf("5 of 15 free after the sample: got band %q, want %q", got, want)
		}
		f.Publish(gt.Smile, gt.Occupy(gt.Occupy(gt.Offer("groen"), "alblasserdam", 5), "overig", 9))
		time.Sleep(4 * 24 * time.Hour)
		before := f.Received(gt.Dordrecht, gt.Smile)["groen"].Places[0].Band
		time.Sleep(2 * 24 * time.Hour)
		if got, want := f.Received(gt.Dordrecht, gt.Smile)["groen"].Places[0].Band, gateway.Enkele; before != gateway.Ruim || got != want {
			t.Errorf("got band %q, then %q, want ruim until the moment and %q after it", before, got, want)
		}
	})
}

// Whoever asks while a large import is under way is told how far it is.
func TestStatusTellsHowFarAnImportIs(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		const n = 3000 // some transactions
		var offers []gateway.Offer
		for i := range n {
			offers = append(offers, gt.Offer(fmt.Sprint("aanbod-", i)))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.Publish(gt.Smile, offers...)
		}()
		seen := false
		for ended := false; !ended; {
			status, err := f.Node(gt.Smile).Desk.Status(context.Background(), gt.Everyone())
			if err != nil {
				t.Fatal(err)
			}
			if p := status.Importing; p != nil && p.Total == n && p.Done > 0 {
				seen = true
			}
			select {
			case <-done:
				ended = true
			default:
			}
		}
		if !seen {
			t.Error("an import was never seen under way")
		}
		if status, err := f.Node(gt.Smile).Desk.Status(context.Background(), gt.Everyone()); err != nil || status.Importing != nil {
			t.Errorf("afterwards: got %+v and %v, want nothing under way", status.Importing, err)
		}
	})
}

// As many offers as a list of them holds are published, and not one more. At the
// edge offers can still be changed and replaced.
func TestMoreOffersThanAListHolds(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		f.SetConfig(gt.Smile, fmt.Sprint("  offers: ", gateway.MaxShown), "  offers: 3")
		offers := func(ids ...string) (all []gateway.Offer) {
			for _, id := range ids {
				all = append(all, gt.Offer(id))
			}
			return all
		}
		shown := func() string {
			f.Settled(time.Hour)
			return strings.Join(slices.Sorted(maps.Keys(f.Received(gt.Alblasserdam, gt.Smile))), " ")
		}
		for _, c := range []struct {
			name  string
			imp   gateway.Import
			fits  bool
			shown string
		}{
			{"as many as may be", gateway.Import{Source: "test", Full: true, Offers: offers("a", "b", "c")}, true, "a b c"},
			{"one more", gateway.Import{Source: "test", Full: true, Offers: offers("a", "b", "c", "d")}, false, "a b c"},
			{"one more in a part", gateway.Import{Source: "test", Offers: offers("d")}, false, "a b c"},
			{"one more of another source", gateway.Import{Source: "ander", Offers: offers("d")}, false, "a b c"},
			{"the same in a part", gateway.Import{Source: "test", Offers: offers("a", "c")}, true, "a b c"},
			{"others in their place", gateway.Import{Source: "test", Full: true, Offers: offers("a", "e", "f")}, true, "a e f"},
			{"fewer", gateway.Import{Source: "test", Full: true, Offers: offers("a")}, true, "a"},
			{"more again", gateway.Import{Source: "test", Offers: offers("b", "c")}, true, "a b c"},
		} {
			_, err := f.Node(gt.Smile).Desk.PublishCapacity(context.Background(), gt.Everyone(), c.imp, true)
			if (err == nil) != c.fits || err != nil && gateway.KindOf(err) != gateway.Limit {
				t.Errorf("%s: got %v, want it to fit: %v", c.name, err, c.fits)
			}
			if got := shown(); got != c.shown {
				t.Errorf("%s: got %q, want %q", c.name, got, c.shown)
			}
		}
	})
}
