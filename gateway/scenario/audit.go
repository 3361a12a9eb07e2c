package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// proposalFile is a changed policy that a party thinks about.
const proposalFile = "voorstel.yaml"

// denialsShown is how many of the last denials a demo shows.
const denialsShown = 3

// audit shows what a privacy officer can find out about one party: all that its
// policy can show, what a proposed policy would change, what was denied, and
// whether its journal is as others witnessed it. Last it rewrites one entry of a
// copy, which must be found.
func (d Demo) audit(ctx context.Context, p *process) error {
	fmt.Fprintf(d.Out, "\n%s\n\n", underline("Voor de privacy officer van "+p.Name))
	if err := d.policies(p.Member); err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "\n%s\n\n", underline("Wat het beleid heeft geweigerd"))
	denied, err := p.local.SearchJournal(ctx, rest.JournalSearch{Kind: journal.KindDenied, Limit: denialsShown})
	if err != nil {
		return fmt.Errorf("search the journal of %s: %w", p.Name, err)
	}
	for _, e := range denied.Entries {
		fmt.Fprintf(d.Out, "Regel %d van het journaal: een aanbod niet getoond aan %s; %s\n", e.Index, d.names(e.Recipients), ruleName(e.Rule))
	}
	fmt.Fprintf(d.Out, "\n%s\n\n", underline("Klopt het journaal?"))
	if err := d.witnessed(ctx, p); err != nil {
		return err
	}
	return d.tamper(ctx, p)
}

// policies writes the matrix of a party's policy, and what its proposal changes.
func (d Demo) policies(m Member) error {
	day := gateway.DateOf(time.Now())
	env, err := d.Scenario.env(m.OIN, day)
	if err != nil {
		return err
	}
	now, err := d.Scenario.Policy(m.OIN, day)
	if err != nil {
		return err
	}
	recipients := audit.Recipients(env, day)
	matrix, err := audit.NewMatrix(now, audit.NewAbout(now, env, 1, day), recipients)
	if err != nil {
		return fmt.Errorf("make the matrix of %s: %w", m.Name, err)
	}
	if err := matrix.Text(d.Out); err != nil {
		return err
	}
	data, err := fs.ReadFile(d.Scenario.files, path.Join(m.Folder, proposalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read proposal of %s: %w", m.Name, err)
	}
	next, _, err := policy.Load([]policy.File{{Name: proposalFile, Data: data}}, env)
	if err != nil {
		return fmt.Errorf("load proposal of %s: %w", m.Name, err)
	}
	diff, err := audit.NewDiff(now, next, day, append(recipients, audit.Newcomers(day, now, next)...))
	if err != nil {
		return fmt.Errorf("compare the policies of %s: %w", m.Name, err)
	}
	fmt.Fprintf(d.Out, "\n%s\n\n%s", underline("Wat een voorstel zou veranderen"), diff.Text())
	return nil
}

// names are the parties of a compact set.
func (d Demo) names(set string) string {
	var all []string
	for oin := range strings.FieldsSeq(set) {
		m, err := d.Scenario.member(gateway.OIN(oin))
		if err != nil {
			m.Name = oin
		}
		all = append(all, m.Name)
	}
	return strings.Join(all, ", ")
}

// witnessed sends the head of the journal to its witnesses and compares it with
// what they hold.
func (d Demo) witnessed(ctx context.Context, p *process) error {
	if _, err := p.local.WitnessJournal(ctx); err != nil {
		return fmt.Errorf("let the journal of %s be witnessed: %w", p.Name, err)
	}
	compared, err := p.local.CompareJournal(ctx, nil)
	if err != nil {
		return fmt.Errorf("compare the journal of %s: %w", p.Name, err)
	}
	agree := 0
	for _, w := range compared.Compared {
		if w.Outcome != "agrees" {
			return gateway.Errorf(gateway.Internal, "het journaal van %s is niet zoals %s het heeft: %s", p.Name, w.Name, w.Outcome)
		}
		agree++
		fmt.Fprintf(d.Out, "%s heeft de eerste %d regels meegetekend; ze zijn nog zo.\n", w.Name, w.Size)
	}
	if want := min(2, len(d.Scenario.members)-1); agree < want {
		return gateway.Errorf(gateway.Internal, "het journaal van %s is door %d partijen meegetekend; het moeten er %d zijn", p.Name, agree, want)
	}
	return nil
}

// tamper changes one denial of a copy of the journal into a disclosure. That the
// copy then verifies, is an error.
func (d Demo) tamper(ctx context.Context, p *process) error {
	var file bytes.Buffer
	if _, err := p.local.WriteArchive(ctx, rest.ArchiveRequest{Until: time.Now()}, &file); err != nil {
		return fmt.Errorf("copy the journal of %s: %w", p.Name, err)
	}
	if _, err := journal.VerifyArchive(bytes.NewReader(file.Bytes()), ""); err != nil {
		return fmt.Errorf("verify the copy of the journal of %s: %w", p.Name, err)
	}
	kind := func(k string) []byte { return []byte(`"kind":"` + k + `"`) }
	forged := bytes.Replace(file.Bytes(), kind(journal.KindDenied), kind(journal.KindPublish), 1)
	_, err := journal.VerifyArchive(bytes.NewReader(forged), "")
	mismatch, found := errors.AsType[*journal.Mismatch](err)
	if !found {
		return gateway.Errorf(gateway.Internal, "in een kopie van het journaal van %s is een regel veranderd, en dat viel niet op", p.Name)
	}
	_, err = fmt.Fprintf(d.Out, "\nIn een kopie maken wij van de eerste weigering een verstrekking. Nagerekend: regel %d van de kopie klopt niet.\n", mismatch.Record)
	return err
}
