package desk_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
)

// What an operation does to the node, or shows of it.
const (
	reads   = "reads"   // policy, journal, how the node stands: nothing of offers
	changes = "changes" // what is offered, shown or in force, or files of the node
	content = "content" // shows what is in offers
	asks    = "asks"    // another party for an inhabitant: nothing of what is offered, shown or in force
	marks   = "marks"   // that somebody has seen something: nothing of what is offered, shown or in force
)

// purposes is the written table: each method of the desk that takes a caller, the
// operation it is, and what it does. docs/operators.md has who may do each.
func purposes() map[string]struct {
	op   gateway.Operation
	does string
} {
	return map[string]struct {
		op   gateway.Operation
		does string
	}{
		"AcknowledgeBreakGlass": {gateway.OpAcknowledgeBreakGlass, marks},
		"BreakGlass":            {gateway.OpBreakGlass, changes},
		"EndBreakGlass":         {gateway.OpBreakGlass, changes},
		"ListBreakGlass":        {gateway.OpListBreakGlass, reads},
		"AnswerProposal":        {gateway.OpAnswerProposal, marks}, // here it marks; what was signed counts at the other party, by its rules
		"Proposal":              {gateway.OpListProposals, reads},
		"Proposals":             {gateway.OpListProposals, reads},
		"ProposePolicy":         {gateway.OpProposePolicy, changes},
		"WithdrawProposal":      {gateway.OpProposePolicy, changes},
		"ArchiveJournal":        {gateway.OpArchiveJournal, reads},
		"Backup":                {gateway.OpBackup, changes},
		"ConfirmImport":         {gateway.OpConfirmImport, changes},
		"Diff":                  {gateway.OpDiffPolicy, reads},
		"Doctor":                {gateway.OpDoctor, reads},
		"PostTest":              {gateway.OpTestWebhook, marks}, // tells nothing but that it is a test
		"Events":                {gateway.OpReadEvents, reads},  // of each type whoever may ask for it: see TestEventsByRole
		"DropImport":            {gateway.OpConfirmImport, changes},
		"Explain":               {gateway.OpExplainPolicy, reads},
		"ExportJournal":         {gateway.OpExportJournal, reads},
		"InstallRegister":       {gateway.OpChangeRegister, changes},
		"Journal":               {gateway.OpListJournal, reads},
		"OfferMatrix":           {gateway.OpExplainPolicy, reads},
		"OwnOffers":             {gateway.OpOwnOffers, content},
		"PolicyLog":             {gateway.OpPolicyHistory, reads},
		"PolicyRollback":        {gateway.OpPolicyRollback, changes},
		"ProveEntry":            {gateway.OpProveJournal, reads},
		"PublishCapacity":       {gateway.OpPublish, changes},
		"ReceivedOffers":        {gateway.OpReceivedOffers, content},
		"AskReferral":           {gateway.OpAskReferral, changes},
		"CommitReferral":        {gateway.OpCommitReferral, changes},
		"EraseReferral":         {gateway.OpEraseReferral, changes},
		"HandOver":              {gateway.OpHandOver, changes},
		"ListReferrals":         {gateway.OpListReferrals, content},
		"ReadReferral":          {gateway.OpReadReferral, content},
		"Refer":                 {gateway.OpRefer, changes},
		"AskSubject":            {gateway.OpAskSubject, asks},
		"AnswerSubject":         {gateway.OpAnswerSubject, changes},
		"ListSubject":           {gateway.OpListSubject, content},
		"ReadSubject":           {gateway.OpReadSubject, content},
		"ReportSubject":         {gateway.OpReportSubject, content},
		"RetentionReport":       {gateway.OpRetentionReport, content},
		"AnswerShift":           {gateway.OpAnswerAllotment, changes},
		"AskShift":              {gateway.OpAskAllotment, changes},
		"ListShifts":            {gateway.OpListAllotments, content},
		"WithdrawShift":         {gateway.OpAskAllotment, changes},
		"WaitingList":           {gateway.OpWaitingList, content},
		"Replay":                {gateway.OpReplayPolicy, content}, // it names offers of today
		"Reload":                {gateway.OpReload, changes},
		"SearchJournal":         {gateway.OpSearchJournal, reads},
		"ShowRegister":          {gateway.OpShowRegister, reads},
		"Status":                {gateway.OpStatus, reads},
		"VerifyAgainst":         {gateway.OpVerifyJournal, reads},
		"VerifyJournal":         {gateway.OpVerifyJournal, reads},
		"WitnessNow":            {gateway.OpWitnessJournal, reads}, // what others cosign changes nothing of what is shown or in force
		"MissingPlaces":         {gateway.OpMissingPlaces, content},
		"ReportMissing":         {gateway.OpReportMissing, changes},
		"SearchPlaces":          {gateway.OpSearchPlaces, content},
	}
}

// Every method of the desk stands in the table, and is denied to every role that
// may not do its operation; no role that only reads may change anything, and a
// beheerder may see nothing of what is in offers.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		d := pair(t).Node(gt.Smile).Desk
		table, typ := purposes(), reflect.TypeFor[*desk.Desk]()
		tried := map[gateway.Operation]bool{}
		for i := range typ.NumMethod() {
			m := typ.Method(i)
			if m.Type.NumIn() < 3 || m.Type.In(2) != reflect.TypeFor[gateway.Caller]() {
				continue
			}
			row, ok := table[m.Name]
			if !ok {
				t.Errorf("%s takes a caller and is not in the table: say what it does", m.Name)
				continue
			}
			delete(table, m.Name)
			tried[row.op] = true
			for _, role := range append(gateway.Roles(), "") {
				caller := gateway.Caller{Name: "iemand", Roles: []gateway.Role{role}}
				may := caller.May(row.op)
				switch {
				case may && row.does == changes && role == gateway.PrivacyOfficer:
					t.Errorf("a privacy officer may %s, which changes something", row.op)
				case may && row.does == content && role == gateway.Beheerder:
					t.Errorf("a beheerder may %s, which shows what is in offers", row.op)
				case !may:
					if err := callWith(d, m, caller); gateway.KindOf(err) != gateway.Denied {
						t.Errorf("%s as %q: got %v, want Denied", m.Name, role, err)
					}
				}
			}
		}
		for name := range table {
			t.Errorf("%s is in the table, and the desk has no such method", name)
		}
		for _, op := range gateway.Operations() {
			if !tried[op] {
				t.Errorf("operation %s is of no method", op)
			}
		}
	})
}

// callWith calls a method with nothing but a caller, and gives its error.
func callWith(d *desk.Desk, m reflect.Method, caller gateway.Caller) error {
	in := []reflect.Value{reflect.ValueOf(d), reflect.ValueOf(context.Background()), reflect.ValueOf(caller)}
	for i := 3; i < m.Type.NumIn(); i++ {
		in = append(in, reflect.Zero(m.Type.In(i)))
	}
	out := m.Func.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	return err
}

// What a beheerder can read has nothing of what is in an offer.
func TestBeheerderReadsNoPayloads(t *testing.T) {
	t.Parallel()
	gt.Bubble(t, func(t *testing.T) {
		f := pair(t)
		ctx, d := context.Background(), f.Node(gt.Smile).Desk
		offer := gt.Offer("groen")
		offer.Title, offer.Contact.Name, offer.Contact.Phone = "Geheim-titel", "Geheim-contact", "0612345678"
		f.Publish(gt.Smile, offer)
		caller := gateway.Caller{Name: "beheer", Roles: []gateway.Role{gateway.Beheerder}}
		shown := func(v any, err error) string {
			if err != nil {
				t.Fatal(err)
			}
			return gt.Dump(v)
		}
		explained, err := d.Explain(ctx, caller, desk.Question{Recipient: "gm0482", Offer: "groen"})
		all := []string{
			shown(d.Status(ctx, caller)), shown(d.Journal(ctx, caller, 0, 1000)), shown(d.PolicyLog(ctx, caller)),
			shown(explained, err), explained.Text(), shown(d.ExportJournal(ctx, caller, desk.JournalSearch{Limit: 1000})),
		}
		part, err := d.ArchiveJournal(ctx, caller, desk.ArchiveRequest{Until: time.Now().AddDate(1, 0, 0)})
		if err != nil || len(part.Leaves) == 0 {
			t.Fatalf("got %d leaves and %v", len(part.Leaves), err)
		}
		for _, leaf := range part.Leaves {
			all = append(all, string(leaf))
		}
		for _, secret := range []string{offer.Title, offer.Contact.Name, offer.Contact.Phone, offer.Location.Address.Street} {
			if i := slices.IndexFunc(all, func(text string) bool { return secret != "" && strings.Contains(text, secret) }); i >= 0 {
				t.Errorf("reading %d shows %q", i, secret)
			}
		}
	})
}
