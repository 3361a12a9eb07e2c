package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// storeTables are the names of all tables, by the sources of the store.
func storeTables(t *testing.T) (names []string) {
	t.Helper()
	for _, file := range get(os.ReadDir("."))(t) {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed := get(parser.ParseFile(token.NewFileSet(), file.Name(), nil, 0))(t)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "table") {
				return true
			}
			if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
				names = append(names, get(strconv.Unquote(value.Value))(t))
			}
			return true
		})
	}
	if len(names) < 40 {
		t.Fatalf("got the tables %q, want all", names)
	}
	return names
}

// goldenContents is contents, with what there is since format 4 and each row that
// is plain data as it is read.
func goldenContents(t rapid.TB, s *store.Store) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(contents(t, s))
	line := lineTo(t, &b)
	contentsOf(t, s, peerC, s.EffectiveTime(start()), line)
	goldenReferrals(t, s, line)
	goldenStaff(t, s, line)
	goldenJournal(t, s, line)
	must(t, s.Reread(ctx, func(what string, value []byte) {
		if !slices.Contains([]string{`row meta//"format"`, `row meta//"highest-time"`, `row meta//"journal-size"`}, what) { // a migration changes these
			b.WriteString(what + "\t" + string(value) + "\n")
		}
	}))
	return b.String()
}

func goldenReferrals(t rapid.TB, s *store.Store, line func(string, any)) {
	t.Helper()
	all := s.Referrals(nil)
	slices.SortFunc(all, func(a, b store.ReferralFacts) int { return strings.Compare(a.ID, b.ID) })
	today := gateway.DateOf(s.EffectiveTime(start()))
	for _, f := range all {
		line("referral", f)
		if f.Side == gateway.ProviderSide {
			line("provided", get(s.ProvidedReferral(ctx, f.ID))(t))
		} else {
			line("followed", get(s.FollowedReferral(ctx, f.ID))(t))
		}
		h, err := s.Handover(ctx, f.ID)
		if gateway.KindOf(err) != gateway.NotFound || err == nil {
			must(t, err)
			line("handover", h)
		}
	}
	for _, o := range get(s.OwnOffers(ctx))(t) {
		line("waiting for "+o.Offer.ID, get(s.WaitingList(ctx, o.Offer.ID))(t))
		line("taken of "+o.Offer.ID, get(s.Taken(ctx, o.Offer.ID, today))(t))
	}
	line("counted", get(s.CountedParticipants(ctx))(t))
	for _, r := range get(s.AllotmentRequests(ctx))(t) {
		line("request", r)
	}
	for _, h := range get(s.HeardShifts(ctx))(t) {
		line("heard", h)
	}
	shifted, over, err := s.Shifted(ctx, []gateway.Offer{green(3)})
	must(t, err)
	line("shifted", []any{shifted, over})
	for _, r := range get(s.Rights(ctx))(t) {
		line("rights", r)
	}
}

func goldenStaff(t rapid.TB, s *store.Store, line func(string, any)) {
	t.Helper()
	for _, e := range allEvents(t, s, gateway.EventPosition{}) {
		line("event", []any{e, e.Data})
	}
	for _, w := range get(s.Webhooks(ctx))(t) {
		line("webhook", w)
	}
	for _, p := range get(s.Policies(ctx))(t) {
		line("policy", p)
	}
	inForce, _, err := s.PolicyInForce(ctx)
	must(t, err)
	line("policy in force", inForce.Number)
	proposal, _, err := s.Proposal(ctx)
	must(t, err)
	line("proposal", proposal)
	for _, p := range get(s.PartyProposals(ctx))(t) {
		line("party proposal", p)
	}
	for _, b := range get(s.BreakGlasses(ctx))(t) {
		line("break-glass", []any{b, b.Name, b.Reason, b.Key})
	}
	for _, m := range get(s.MissingPlaces(ctx, "", ""))(t) {
		line("missing", m)
	}
	line("planned", get(s.Planned(ctx))(t))
	line("awaiting", get(s.Awaiting(ctx, start()))(t))
	for _, peer := range []gateway.OIN{peerA, peerB, peerC} {
		line("owed "+string(peer), []any{get(s.Owed(ctx, peer))(t), get(s.OwedReferrals(ctx, peer))(t)})
		line("given back", get(s.GivenBack(ctx, peer, start()))(t))
	}
	backup, _, err := s.LastBackup(ctx)
	must(t, err)
	line("backup", backup)
	compaction, _, err := s.LastCompaction(ctx)
	must(t, err)
	line("compaction", compaction)
}

func goldenJournal(t rapid.TB, s *store.Store, line func(string, any)) {
	t.Helper()
	for _, w := range get(s.WitnessStatuses(ctx))(t) {
		line("witness", w)
	}
	for _, w := range get(s.Watched(ctx))(t) {
		line("watched", w)
		line("held", get(s.Held(ctx, w.Log))(t))
	}
	proof := get(s.ProveEntry(ctx, 0, 1))(t)
	line("proof", []any{proof.Size, string(proof.Leaf), string(proof.Checkpoint), proof.Cosignatures})
	sent, ok, err := s.Sent(ctx)
	must(t, err)
	line("sent", []any{sent, ok})
	line("reduced", get(s.Reduced(ctx))(t))
	for _, q := range []store.JournalQuery{{Kind: journal.KindImport}, {Party: peerB, Oldest: true}, {Rule: "r1"}, {Field: "offer.title"}, {Kind: goldenFiller}} {
		q.Limit = 3
		line("search", get(s.SearchJournal(ctx, q))(t).Records)
	}
}
