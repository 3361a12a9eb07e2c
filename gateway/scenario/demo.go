package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/publication"
)

// Demo runs a scenario as separate processes on this machine and shows what each
// party sees of the others' offers.
type Demo struct {
	Scenario *Scenario
	Dir      string    // where to lay it out, and leave it; empty: a folder that is removed at the end
	Once     bool      // end when all has been shown and checked
	Program  string    // of which `run --config FILE` runs a node
	Out      io.Writer // what there is to see
	Progress io.Writer // what is being done
}

// settleWithin is how long the first messages may take.
const settleWithin = time.Minute

// Run runs the demo until ctx ends or the process is told to, or with Once until
// all has been shown. The error says what the nodes hold otherwise than the
// policies allow, or why that could not be found out.
func (d Demo) Run(ctx context.Context) (err error) {
	ctx, ignore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer ignore()
	if d.Dir == "" {
		if d.Dir, err = os.MkdirTemp("", "ds-"); err != nil { // short: sockets are in it
			return fmt.Errorf("make folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(d.Dir)) }()
	}
	laid, err := d.Scenario.Lay(d.Dir, time.Now())
	if err != nil {
		return err
	}
	// Nodes are bound to the thread that starts them.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var running []*process
	defer func() {
		ignore() // a second Ctrl-C ends this program at once, and the nodes with it
		d.progress("De knooppunten stoppen…")
		err = errors.Join(err, stopAll(running))
	}()
	d.progress("%d knooppunten starten…", len(laid.Members))
	for _, m := range laid.Members {
		p, err := start(d.Program, m)
		if err != nil {
			return err
		}
		running = append(running, p)
	}
	for _, p := range running {
		if err := p.ready(ctx); err != nil {
			return err
		}
	}
	views, err := d.show(ctx, running)
	if err != nil {
		return err
	}
	first := slices.IndexFunc(running, func(p *process) bool { return p.Source != "" })
	if err := d.referrals(ctx, running, running[first]); err != nil {
		return err
	}
	if err := d.audit(ctx, running[first]); err != nil || d.Once {
		return err
	}
	writeAddresses(d.Out, d.Program, laid, views)
	return d.wait(ctx, running)
}

func (d Demo) progress(format string, args ...any) { fmt.Fprintf(d.Progress, format+"\n", args...) }

// show publishes all exports, waits until they have arrived, and writes and
// checks who sees what. It gives the views that the nodes kept to.
func (d Demo) show(ctx context.Context, running []*process) ([]View, error) {
	denied := map[gateway.OIN][]publication.Denial{}
	for _, p := range running {
		if p.Source == "" {
			continue
		}
		report, err := d.publish(ctx, p)
		if err != nil {
			return nil, err
		}
		denied[p.OIN] = report
	}
	if err := d.settle(ctx, running); err != nil {
		return nil, err
	}
	views, err := d.Scenario.Views(ctx, time.Now())
	if err != nil {
		return nil, err
	}
	held, wrong, err := ask(ctx, running, views)
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(d.Out)
	Report(d.Out, observed(views, held))
	if wrong = append(wrong, Compare(views, held, denied)...); len(wrong) > 0 {
		return nil, gateway.Errorf(gateway.Internal, "de knooppunten houden zich niet aan het beleid:\n  %s", strings.Join(wrong, "\n  "))
	}
	fmt.Fprintf(d.Out, "\nNagerekend: %d keer aanbod en ontvanger; nergens is meer of minder te zien dan het beleid zegt, en niets buiten de matrix.\n", len(views))
	return views, nil
}

// publish brings a company's export to its node, as `doorstroom publish` does.
func (d Demo) publish(ctx context.Context, p *process) ([]publication.Denial, error) {
	mapping, err := os.ReadFile(p.Config.Drop.Mapping)
	if err != nil {
		return nil, fmt.Errorf("read mapping of %s: %w", p.Name, err)
	}
	file := filepath.Join(p.Dir, p.Source)
	imp, err := readExport(ctx, file, p.Member, mapping, d.Scenario.schema.Lists(), gateway.DateOf(time.Now()))
	if err != nil {
		return nil, err
	}
	imp.Source = p.Config.Drop.Source
	report, err := p.local.Publish(ctx, imp, false)
	if err != nil {
		return nil, fmt.Errorf("publish the export of %s: %w", p.Name, err)
	}
	if len(report.Problems) > 0 || report.New != len(imp.Offers) {
		return nil, gateway.Errorf(gateway.Invalid, "het knooppunt van %s nam de export niet geheel over:\n%s", p.Name, report.Text())
	}
	d.progress("%s biedt %d keer werk aan (%s): %d berichten", p.Name, report.New, p.Source, report.Messages)
	return report.Denied, nil
}

// settle waits until nothing waits for anybody.
func (d Demo) settle(ctx context.Context, running []*process) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	last := -1
	for {
		waiting := 0
		var reasons []string
		for _, p := range running {
			status, err := p.local.Status(ctx)
			if err != nil {
				return fmt.Errorf("ask %s how it stands: %w", p.Name, err)
			}
			for _, peer := range status.Peers {
				waiting += peer.Queued + peer.Held
				if peer.Queued+peer.Held > 0 {
					reasons = append(reasons, fmt.Sprintf("%s → %s: %d %s", p.Name, peer.Name, peer.Queued+peer.Held, peer.Reason))
				}
			}
		}
		if waiting == 0 {
			d.progress("Alles is aangekomen.")
			return nil
		}
		if waiting != last {
			d.progress("Onderweg: %d berichten", waiting)
			last = waiting
		}
		select {
		case <-ctx.Done():
			return gateway.Wrap(gateway.Unavailable, ctx.Err(), "niet alles is aangekomen: "+strings.Join(reasons, "; "))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ask lists what every node holds, and what is wrong with how they decide: each
// must use the policy by which the views were made.
func ask(ctx context.Context, running []*process, views []View) (held []Held, wrong []string, err error) {
	for _, p := range running {
		offers, err := p.local.ReceivedOffers(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("ask %s what it received: %w", p.Name, err)
		}
		for _, o := range offers {
			held = append(held, Held{Recipient: p.OIN, Sender: o.Sender, Capacity: o.Capacity})
		}
		status, err := p.local.Status(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("ask %s how it stands: %w", p.Name, err)
		}
		i := slices.IndexFunc(views, func(v View) bool { return v.Provider.OIN == p.OIN })
		if i >= 0 && views[i].Decision.Policy != status.Policy.Version {
			wrong = append(wrong, p.Name+" beslist volgens een ander beleid dan dat van de demonstratie")
		}
	}
	return held, wrong, nil
}

// observed are the views with what the nodes hold in the place of what they
// should hold.
func observed(views []View, held []Held) []View {
	seen := slices.Clone(views)
	for i := range seen {
		v := &seen[i]
		v.Capacity = gateway.Capacity{}
		for _, h := range held {
			if h.Recipient == v.Recipient.OIN && h.Sender == v.Provider.OIN && h.Capacity.Offer == v.Offer.ID {
				v.Capacity = h.Capacity
			}
		}
	}
	return seen
}

// wait keeps the nodes running until ctx ends; a node that ends by itself is an
// error.
func (d Demo) wait(ctx context.Context, running []*process) error {
	fallen := make(chan *process, len(running))
	for _, p := range running {
		go func() { // ends at the latest when the node is stopped
			<-p.ended
			fallen <- p
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case p := <-fallen:
		return p.failure()
	}
}

// writeAddresses says where each node answers and what to try.
func writeAddresses(w io.Writer, program string, l *Laid, views []View) {
	fmt.Fprintf(w, "\n%s\n\n", underline("De knooppunten draaien"))
	line := func(name, peers, public, ops string) {
		fmt.Fprintln(w, pad(name, cellWidth)+pad(peers, 24)+pad(public, 28)+ops)
	}
	line("Knooppunt", "Andere knooppunten", "Beschrijving van de API", "Gezondheid")
	for _, m := range l.Members {
		c := m.Config.Listen
		line(m.Name, "https://"+c.Peers, "http://"+c.Public+"/docs", "http://"+c.Ops+"/health/ready")
	}
	fmt.Fprintf(w, "\nElk knooppunt heeft een map in %s. Probeer in een ander venster:\n", l.Dir)
	for _, e := range examples(program, l, views) {
		fmt.Fprintf(w, "\n  # %s\n  %s\n", e.what, e.command)
	}
	fmt.Fprint(w, "\nCtrl-C stopt alles.\n")
}

type example struct{ what, command string }

// examples are commands that work as they stand, about the first offer that a
// policy kept from somebody.
func examples(program string, l *Laid, views []View) []example {
	i := slices.IndexFunc(views, func(v View) bool { return !v.Decision.Allowed })
	if i < 0 {
		return nil
	}
	provider, recipient := l.member(views[i].Provider), l.member(views[i].Recipient)
	command := func(what string, m LaidMember) string { return program + " " + what + " --config " + m.ConfigFile() }
	explain := fmt.Sprintf("policy explain --recipient %s --offer %s", recipient.OIN, views[i].Offer.ID)
	return []example{
		{"Welk aanbod heeft " + recipient.Name + " ontvangen?", command("offers --received", recipient)},
		{"Waarom staat " + views[i].Offer.ID + " daar niet bij?", command(explain, provider)},
		{"Pas " + filepath.Join(provider.Dir, node.PolicyFile) + " aan en laad het:", command("policy reload", provider)},
		{"Pas de export aan en zet haar in deze map; het knooppunt leest haar in:",
			"cp " + filepath.Join(provider.Dir, provider.Source) + " " + provider.Config.Drop.Folder},
		{"Hoe staat het knooppunt ervoor?", command("status", provider)},
		{"Wat heeft het verstrekt en geweigerd?", command("journal list", provider)},
	}
}
