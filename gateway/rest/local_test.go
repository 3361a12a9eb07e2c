package rest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// deskOf is the desk of a real node of a region with two parties.
func deskOf(t *testing.T) (*gatewaytest.Federation, *desk.Desk) {
	f := gatewaytest.NewFederation(t,
		gatewaytest.Member{OIN: gatewaytest.Smile, Name: "Smile", Kind: gateway.Leerwerkbedrijf},
		gatewaytest.Member{OIN: gatewaytest.Dordrecht, Name: "Dordrecht", Kind: gateway.GemeenteKind, Gemeenten: []gateway.Gemeente{"gm0505"}},
	)
	return f, f.Node(gatewaytest.Smile).Desk
}

// tokens gives every role a caller of its own, whose token is the role.
func tokens() []rest.LocalCaller {
	var callers []rest.LocalCaller
	for _, role := range gateway.Roles() {
		callers = append(callers, rest.LocalCaller{
			Caller:      gateway.Caller{Name: "somebody", Roles: []gateway.Role{role}},
			TokenSHA256: gateway.Hash([]byte(role)),
		})
	}
	return callers
}

// socket serves a desk on a unix socket.
func socket(t *testing.T, d *desk.Desk, callers func() []rest.LocalCaller) string {
	t.Helper()
	l := &log{}
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := rest.NewServer(rest.NewLocalHandler(d, callers, l.logger()), testLimits(), l.logger())
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return path
}

func as(t *testing.T, path string, role gateway.Role) *rest.LocalClient {
	c := rest.NewLocalClient(path, string(role))
	t.Cleanup(c.Close)
	return c
}

// calls has one call of the client for every operation of the desk.
func calls() map[gateway.Operation]func(context.Context, *rest.LocalClient) error {
	return map[gateway.Operation]func(context.Context, *rest.LocalClient) error{
		gateway.OpPublish: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.Publish(ctx, gateway.Import{Source: "admin", Offers: []gateway.Offer{gatewaytest.Offer("a")}}, false)
			return err
		},
		gateway.OpConfirmImport: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.ConfirmImport(ctx, "admin"); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			if err := c.DropImport(ctx, "admin"); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpOwnOffers:      func(ctx context.Context, c *rest.LocalClient) error { _, err := c.OwnOffers(ctx); return err },
		gateway.OpReceivedOffers: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.ReceivedOffers(ctx); return err },
		gateway.OpSearchPlaces: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.SearchPlaces(ctx, search.Demand{})
			return err
		},
		gateway.OpReportMissing: func(ctx context.Context, c *rest.LocalClient) error {
			return c.ReportMissing(ctx, desk.NoPlace{Werksoorten: []string{"groen"}, Gemeente: "gm0482"})
		},
		gateway.OpMissingPlaces: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.MissingPlaces(ctx, "2026-01", "2026-12")
			return err
		},
		gateway.OpStatus:       func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Status(ctx); return err },
		gateway.OpShowRegister: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Register(ctx); return err },
		gateway.OpChangeRegister: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.InstallRegister(ctx, []byte("not a register")); gateway.KindOf(err) != gateway.Invalid {
				return err
			}
			return nil
		},
		gateway.OpExplainPolicy: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.Explain(ctx, desk.Question{Recipient: "gm0505", Offer: "none"}); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			_, err := c.OfferMatrix(ctx, "")
			return err
		},
		gateway.OpReload: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Reload(ctx); return err },
		gateway.OpDiffPolicy: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.DiffPolicy(ctx, rest.TwoPolicies{})
			return err
		},
		gateway.OpReplayPolicy: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.ReplayPolicy(ctx, rest.Draft{Days: 1})
			return err
		},
		gateway.OpPolicyHistory: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Policies(ctx); return err },
		gateway.OpPolicyRollback: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.Rollback(ctx, "none"); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpListJournal: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Journal(ctx, 0, 10); return err },
		gateway.OpSearchJournal: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.SearchJournal(ctx, rest.JournalSearch{Limit: 10})
			return err
		},
		gateway.OpExportJournal: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.ExportJournal(ctx, rest.JournalSearch{Limit: 10})
			return err
		},
		gateway.OpArchiveJournal: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.ArchiveJournal(ctx, rest.ArchiveRequest{}); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpVerifyJournal: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.VerifyJournal(ctx)
			_, against := c.CompareJournal(ctx, nil)
			return errors.Join(err, against)
		},
		gateway.OpProveJournal: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.ProveEntry(ctx, 1<<40); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpWitnessJournal: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.WitnessJournal(ctx); return err },
		gateway.OpBreakGlass: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.BreakGlass(ctx, "om te proberen of het mag", 5)
			_, end := c.EndBreakGlass(ctx)
			return errors.Join(err, end)
		},
		gateway.OpProposePolicy: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.ProposePolicy(ctx, "niemand"); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			if err := c.WithdrawProposal(ctx, 1000); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpListProposals: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.Proposal(ctx, 1000); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			_, err := c.Proposals(ctx)
			return err
		},
		gateway.OpAnswerProposal: func(ctx context.Context, c *rest.LocalClient) error {
			if err := c.AnswerProposal(ctx, 1000, ""); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpListBreakGlass: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.ListBreakGlass(ctx); return err },
		gateway.OpAcknowledgeBreakGlass: func(ctx context.Context, c *rest.LocalClient) error {
			if _, err := c.AcknowledgeBreakGlass(ctx, 1000); gateway.KindOf(err) != gateway.NotFound {
				return err
			}
			return nil
		},
		gateway.OpTestWebhook: func(ctx context.Context, c *rest.LocalClient) error {
			return unless(c.TestWebhook(ctx, "none"), gateway.NotFound)
		},
		gateway.OpReadEvents: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.Events(ctx, desk.EventQuery{})
			return err
		},
		gateway.OpRefer: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.Refer(ctx, desk.NewReferral{Need: gateway.Need{Offer: "none"}})
			return unless(err, gateway.NotFound)
		},
		gateway.OpAskReferral: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.AskReferral(ctx, desk.ReferralRequest{Referral: "none", Act: gateway.ActWithdraw})
			return unless(err, gateway.NotFound)
		},
		gateway.OpHandOver: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.HandOver(ctx, desk.NewHandover{Referral: "none"})
			return unless(err, gateway.NotFound)
		},
		gateway.OpCommitReferral: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.CommitReferral(ctx, desk.ReferralCommit{Referral: "none", Act: gateway.ActAccept})
			return unless(err, gateway.NotFound)
		},
		gateway.OpListReferrals: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.Referrals(ctx, desk.ReferralFilter{Open: true, Overdue: true, Mine: true, Status: gateway.Waitlisted})
			return err
		},
		gateway.OpReadReferral: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.Referral(ctx, "none")
			return unless(err, gateway.NotFound)
		},
		gateway.OpWaitingList: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.WaitingList(ctx, "none")
			return unless(err, gateway.NotFound)
		},
		gateway.OpEraseReferral: func(ctx context.Context, c *rest.LocalClient) error {
			return unless(c.EraseReferral(ctx, "00000000-0000-4000-8000-000000000000"), gateway.NotFound)
		},
		gateway.OpListAllotments: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.AllotmentRequests(ctx)
			return err
		},
		gateway.OpAskAllotment: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.AskAllotment(ctx, desk.NewShift{Offer: "none"})
			if unless(err, gateway.NotFound) != nil {
				return err
			}
			_, err = c.WithdrawAllotment(ctx, "none")
			return unless(err, gateway.NotFound)
		},
		gateway.OpAnswerAllotment: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.SignAllotment(ctx, "none")
			if unless(err, gateway.NotFound) != nil {
				return err
			}
			_, err = c.RefuseAllotment(ctx, "none")
			return unless(err, gateway.NotFound)
		},
		gateway.OpRetentionReport: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.RetentionReport(ctx); return err },
		gateway.OpAskSubject: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.AskSubject(ctx, desk.SubjectAsk{Act: gateway.Erase})
			return unless(err, gateway.Invalid)
		},
		gateway.OpAnswerSubject: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.AnswerSubject(ctx, desk.SubjectReply{Request: "00000000"})
			return unless(err, gateway.NotFound)
		},
		gateway.OpListSubject: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Subject(ctx); return err },
		gateway.OpReadSubject: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.ReadSubject(ctx, "00000000")
			return unless(err, gateway.NotFound)
		},
		gateway.OpReportSubject: func(ctx context.Context, c *rest.LocalClient) error {
			_, err := c.ReportSubject(ctx, desk.SubjectQuestion{Name: "niemand"})
			return unless(err, gateway.NotFound)
		},
		gateway.OpDoctor: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Doctor(ctx); return err },
		gateway.OpBackup: func(ctx context.Context, c *rest.LocalClient) error { _, err := c.Backup(ctx); return err },
	}
}

// unless passes over an error of the kind that is wanted.
func unless(err error, kind gateway.Kind) error {
	if err != nil && gateway.KindOf(err) == kind {
		return nil
	}
	return err
}

// TestRoles: over the wire, every operation is for exactly the roles of the
// table.
func TestRoles(t *testing.T) {
	_, d := deskOf(t)
	path := socket(t, d, tokens)
	for _, op := range gateway.Operations() {
		call := calls()[op]
		if call == nil {
			t.Errorf("the local API has no route for %s", op)
			continue
		}
		for _, role := range gateway.Roles() {
			err := call(t.Context(), as(t, path, role))
			if may := (gateway.Caller{Roles: []gateway.Role{role}}).May(op); may && err != nil {
				t.Errorf("%s as %s: %v", op, role, err)
			} else if !may && gateway.KindOf(err) != gateway.Denied {
				t.Errorf("%s as %s: got %v, want kind Denied", op, role, err)
			}
		}
	}
}

// TestLocalRoundTrips: what the desk says arrives as it was said.
func TestLocalRoundTrips(t *testing.T) {
	f, d := deskOf(t)
	path := socket(t, d, tokens)
	ctx := t.Context()
	coordinator, officer, beheerder := as(t, path, gateway.Coordinator), as(t, path, gateway.PrivacyOfficer), as(t, path, gateway.Beheerder)

	offer := gatewaytest.Offer("groen")
	imp := gateway.Import{Source: "admin", Full: true, Offers: []gateway.Offer{offer}, Problems: []gateway.RowProblem{{File: "x.csv", Line: 3, Message: "leeg"}}}
	report, err := coordinator.Publish(ctx, imp, false)
	if err != nil || report.New != 1 || len(report.Problems) != 1 || report.Problems[0].Line != 3 {
		t.Errorf("Publish: got %+v, %v", report, err)
	}
	own, err := coordinator.OwnOffers(ctx)
	if err != nil || len(own) != 1 || own[0].Offer.Title != offer.Title || len(own[0].Offer.Allotments) != 3 {
		t.Errorf("OwnOffers: got %+v, %v", own, err)
	}
	if received, err := coordinator.ReceivedOffers(ctx); err != nil || received == nil || len(received) != 0 {
		t.Errorf("ReceivedOffers: got %v, %v; want an empty list", received, err)
	}
	status, err := coordinator.Status(ctx)
	if err != nil || status.Party != gatewaytest.Smile || status.Offers != 1 || len(status.Imports) != 1 ||
		len(status.Peers) != 1 || status.Peers[0].OIN != gatewaytest.Dordrecht || status.Peers[0].Name != "Dordrecht" {
		t.Errorf("Status: got %+v, %v", status, err)
	}
	reg, err := coordinator.Register(ctx)
	if err != nil || reg.Version != 1 || len(reg.Parties) != 2 || reg.File != string(f.Register) {
		t.Errorf("Register: got version %d with %d parties, %v", reg.Version, len(reg.Parties), err)
	}
	if again, err := beheerder.InstallRegister(ctx, f.Register); err != nil || again.Hash != reg.Hash {
		t.Errorf("InstallRegister: got %s, %v; want %s", again.Hash, err, reg.Hash)
	}
	why, err := coordinator.Explain(ctx, desk.Question{Recipient: "gm0505", Offer: "groen"})
	if err != nil || why.Text == "" || !strings.Contains(string(why.Detail), `"rules"`) {
		t.Errorf("Explain: got %+v, %v", why, err)
	}
	why, err = coordinator.Explain(ctx, desk.Question{Recipient: "gm0505", Kind: gateway.KindHandover, State: gateway.Accepted})
	if err != nil || !strings.Contains(why.Text, "over een persoon") || !strings.Contains(string(why.Detail), `"allowed":false`) {
		t.Errorf("Explain a handover: got %+v, %v", why, err)
	}
	if policy, err := beheerder.Reload(ctx); err != nil || policy.Version != status.Policy.Version {
		t.Errorf("Reload: got %+v, %v; want version %s", policy, err, status.Policy.Version)
	}
	entries, err := officer.Journal(ctx, 0, 1000)
	if err != nil || !slices.ContainsFunc(entries, func(e rest.JournalEntry) bool { return e.Kind == "import" && e.Caller != "" }) {
		t.Errorf("Journal: got %+v, %v; want an import by somebody", entries, err)
	}
	if page, err := officer.Journal(ctx, 1, 2); err != nil || len(page) != 2 || page[0].Index != 1 {
		t.Errorf("Journal from 1: got %+v, %v", page, err)
	}
	verified, err := officer.VerifyJournal(ctx)
	if err != nil || verified.Size < uint64(len(entries)) || verified.Root == "" {
		t.Errorf("VerifyJournal: got %+v, %v; want at least %d entries", verified, err, len(entries))
	}
}

// TestHeldImport: what would vanish is held, shown without payload, and
// released or dropped.
func TestHeldImport(t *testing.T) {
	_, d := deskOf(t)
	c := as(t, socket(t, d, tokens), gateway.Coordinator)
	ctx := t.Context()
	full := gateway.Import{Source: "admin", Full: true}
	for i := range 5 {
		full.Offers = append(full.Offers, gatewaytest.Offer(fmt.Sprintf("offer-%d", i)))
	}
	if _, err := c.Publish(ctx, full, false); err != nil {
		t.Fatal(err)
	}
	one := gateway.Import{Source: "admin", Full: true, Offers: full.Offers[:1]}
	for _, finish := range []func() error{
		func() error { return c.DropImport(ctx, "admin") },
		func() error { _, err := c.ConfirmImport(ctx, "admin"); return err },
	} {
		if report, err := c.Publish(ctx, one, false); err != nil || len(report.Held) != 4 {
			t.Fatalf("got %+v, %v; want 4 held", report, err)
		}
		if status, err := c.Status(ctx); err != nil || len(status.Imports) != 1 || len(status.Imports[0].Held) != 4 {
			t.Errorf("got %+v, %v; want 4 held", status.Imports, err)
		}
		if err := finish(); err != nil {
			t.Error(err)
		}
	}
	if own, err := c.OwnOffers(ctx); err != nil || len(own) != 1 {
		t.Errorf("got %d offers, %v; want 1", len(own), err)
	}
}

func TestLocalAuthentication(t *testing.T) {
	_, d := deskOf(t)
	callers := append(tokens(), rest.LocalCaller{Caller: gateway.Caller{Roles: gateway.Roles()}, TokenSHA256: gateway.Hash(nil)})
	l := &log{}
	url := local(t, rest.NewLocalHandler(d, func() []rest.LocalCaller { return callers }, l.logger()))
	for header, want := range map[string]int{
		"":                           401,
		"Bearer":                     401,
		"Bearer ":                    401,
		"Bearer " + secret:           401,
		"Basic coordinator":          401,
		"bearer coordinator":         200, // RFC 9110, 11.1
		"coordinator":                401,
		"Bearer coordinator ":        200, // HTTP trims values
		"Bearer coordinatorx":        401,
		"Bearer " + tokenHash():      401,
		"Bearer coordinator,privacy": 401,
		"Bearer beheerder":           200,
	} {
		req := request(t, http.MethodGet, url+"/v1/status", "", nil)
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		a := do(t, smile, req)
		if a.status != want {
			t.Errorf("%q: got %d, want %d", header, a.status, want)
		}
		if want == 401 {
			if checkProblem(t, a); a.header.Get("WWW-Authenticate") != "Bearer" || strings.Contains(a.body, secret) {
				t.Errorf("%q: got %v %s", header, a.header, a.body)
			}
		}
	}
	callers = nil // a reload that takes all callers away
	req := request(t, http.MethodGet, url+"/v1/status", "", nil)
	req.Header.Set("Authorization", "Bearer coordinator")
	if a := do(t, smile, req); a.status != 401 {
		t.Errorf("after the caller was removed: got %d, want 401", a.status)
	}
}

func tokenHash() string { return gateway.Hash([]byte(gateway.Coordinator)) }

func TestLocalBadRequests(t *testing.T) {
	_, d := deskOf(t)
	l := &log{}
	url := local(t, rest.NewLocalHandler(d, tokens, l.logger()))
	for _, test := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/v1/journal?from=" + secret, "", 400},
		{http.MethodGet, "/v1/journal?from=-1", "", 400},
		{http.MethodGet, "/v1/journal?limit=" + secret, "", 400},
		{http.MethodGet, "/v1/journal?limit=0", "", 400},
		{http.MethodGet, "/v1/journal?limit=10001", "", 400},
		{http.MethodPost, "/v1/reload", `{"` + secret + `":1}`, 400},
		{http.MethodPost, "/v1/imports", `{"import":{"offers":[{"ID":"` + secret + `"}]}}`, 400},
		{http.MethodPost, "/v1/imports", `{"confirm":"` + secret + `"}`, 400},
		{http.MethodPost, "/v1/register", `{"file":"` + secret + `"}`, 400},
		{http.MethodPost, "/v1/referrals", `{"need":{"offer":"groen","attachments":["` + secret + `"]}}`, 400},
		{http.MethodPost, "/v1/referrals", `{"bijlage":"` + secret + `","need":{"offer":"groen"}}`, 400},
		{http.MethodPost, "/v1/referrals/handover", `{"referral":"3f0c9a12","handover":{"name":"` + secret + `","attachment":"x"}}`, 400},
		{http.MethodPost, "/v1/referrals/act", `{"referral":"3f0c9a12","act":"accept","attachments":["` + secret + `"]}`, 400},
		{http.MethodPost, "/v1/referrals/ask", `{"referral":"3f0c9a12","act":"withdraw","attachments":["` + secret + `"]}`, 400},
		{http.MethodPost, "/v1/policy/explain", `{"recipient":"` + secret + `","offer":"x"}`, 404},
		{http.MethodDelete, "/v1/imports", "", 405},
		{http.MethodGet, "/v1/own-offers/", "", 404},
		{http.MethodPost, "/v1/messages", "{}", 404},
	} {
		req := request(t, test.method, url+test.path, "application/json", strings.NewReader(test.body))
		req.Header.Set("Authorization", "Bearer beheerder")
		a := do(t, smile, req)
		if checkProblem(t, a); a.status != test.status || strings.Contains(a.body, secret) {
			t.Errorf("%s %s: got %d %s, want %d without the input", test.method, test.path, a.status, a.body, test.status)
		}
		attached := strings.Contains(test.body, "attach") || strings.Contains(test.body, "bijlage")
		if attached && !strings.Contains(a.body, "attachments are not supported") {
			t.Errorf("%s %s: got %s, want to be told that there are no attachments", test.method, test.path, a.body)
		}
	}
}

// TestLocalClientErrors: they say what to do, in words that may be shown.
func TestLocalClientErrors(t *testing.T) {
	_, err := as(t, filepath.Join(t.TempDir(), "none"), gateway.Beheerder).Status(t.Context())
	if gateway.KindOf(err) != gateway.Unavailable || !strings.Contains(gateway.SafeMessage(err), "doorstroom run") {
		t.Errorf("no node: got %v", err)
	}
	_, d := deskOf(t)
	path := socket(t, d, tokens)
	if _, err = as(t, path, "nobody").Status(t.Context()); gateway.KindOf(err) != gateway.Unauthenticated {
		t.Errorf("wrong token: got %v", err)
	}
	_, err = as(t, path, gateway.Consulent).Reload(t.Context())
	if got := gateway.SafeMessage(err); !strings.Contains(got, "beheerder") {
		t.Errorf("wrong role: got %q, want the roles that may", got)
	}
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	other := &http.Server{Handler: http.NotFoundHandler()}
	done := make(chan error, 1)
	go func() { done <- other.Serve(listener) }()
	defer func() { other.Close(); <-done }()
	_, err = as(t, listener.Addr().String(), gateway.Beheerder).Status(t.Context())
	if gateway.KindOf(err) != gateway.Unavailable {
		t.Errorf("another program: got %v", err)
	}
}

func TestLocalDescription(t *testing.T) {
	_, d := deskOf(t)
	l := &log{}
	url := local(t, rest.NewLocalHandler(d, tokens, l.logger()))
	req := request(t, http.MethodGet, url+"/openapi.json", "", nil)
	req.Header.Set("Authorization", "Bearer program")
	if a := do(t, smile, req); a.status != 200 || !strings.Contains(a.body, "Doorstroom local API") {
		t.Errorf("got %d, %d bytes", a.status, len(a.body))
	}
}
