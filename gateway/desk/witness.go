package desk

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// Witness is what a desk asks of the node's part in witnessing.
type Witness interface {
	State(ctx context.Context) (witness.State, error)
	Compare(ctx context.Context, parties []gateway.OIN) ([]witness.Comparison, error)
	Prove(ctx context.Context, entry uint64) (witness.Proof, error)
	Round(ctx context.Context) (enough bool, err error)
}

// JournalReport is the result of recomputing the journal, and how far it is beyond
// rewriting unnoticed.
type JournalReport struct {
	store.JournalReport
	Witnessed witness.State
}

// Against is the result of comparing the journal with what others witnessed.
type Against struct {
	JournalReport
	Problem   string // why the journal does not fit itself; then it was compared all the same
	Witnesses []witness.Comparison
}

// VerifyAgainst recomputes the whole journal and compares it with the heads that
// witnesses hold of it; without parties, with all that ever cosigned.
func (d *Desk) VerifyAgainst(ctx context.Context, caller gateway.Caller, parties []gateway.OIN) (Against, error) {
	report, err := d.VerifyJournal(ctx, caller)
	a := Against{JournalReport: report}
	if kind := gateway.KindOf(err); err != nil && (kind == gateway.Denied || ctx.Err() != nil) {
		return a, err
	} else if err != nil {
		a.Problem = gateway.SafeMessage(err)
		if a.Witnessed, err = d.Witness().State(ctx); err != nil {
			return a, err
		}
	}
	a.Witnesses, err = d.Witness().Compare(ctx, parties)
	return a, err
}

// ProveEntry gives a proof that an entry stands in the journal.
func (d *Desk) ProveEntry(ctx context.Context, caller gateway.Caller, entry uint64) (witness.Proof, error) {
	if err := d.read(ctx, caller, gateway.OpProveJournal); err != nil {
		return witness.Proof{}, err
	}
	return d.Witness().Prove(ctx, entry)
}

// WitnessNow sends the head of the journal to its witnesses now, and tells how far
// it is witnessed then.
func (d *Desk) WitnessNow(ctx context.Context, caller gateway.Caller) (witness.State, error) {
	if err := d.read(ctx, caller, gateway.OpWitnessJournal); err != nil {
		return witness.State{}, err
	}
	if _, err := d.Witness().Round(ctx); err != nil {
		return witness.State{}, err
	}
	return d.Witness().State(ctx)
}

// unwitnessedLong is how old the tail of the journal may become before somebody
// should look.
const unwitnessedLong = 3 * 24 * time.Hour

// anewShown is for how long a journal that was begun anew is an alarm.
const anewShown = 30 * 24 * time.Hour

// WatchAlarms are what is wrong between this node's journal and its witnesses, and
// with the journals that it witnesses itself, in Dutch.
func (d *Desk) WatchAlarms(ctx context.Context, state witness.State, now time.Time) ([]string, error) {
	alarms := d.ownAlarms(state, now)
	watched, err := d.Store.Watched(ctx)
	for _, w := range watched {
		name := d.nameOr(w.Log)
		if r := w.Refused; r != nil {
			alarms = append(alarms, "het journaal van "+name+" past niet bij wat deze node ervan heeft meegetekend: het kan zijn herschreven of "+
				"een oude kopie zijn; bel de beheerder daar, en zie doorstroom doctor")
		}
		if n := len(w.Branches); n > 0 && w.Branches[n-1].Outcome == store.BranchAnew && now.Sub(w.Branches[n-1].At) < anewShown {
			alarms = append(alarms, name+" is met een nieuw, leeg journaal begonnen; deze node tekende er eerder "+
				strconv.FormatUint(w.Branches[n-1].Lost, 10)+" regels van mee")
		}
	}
	return alarms, err
}

func (d *Desk) ownAlarms(state witness.State, now time.Time) (alarms []string) {
	var names []string
	for _, s := range state.Statuses {
		if s.Conflict() {
			names = append(names, d.nameOr(s.Witness))
		}
	}
	if len(names) > 0 {
		alarms = append(alarms, "wat "+strings.Join(names, ", ")+" van het journaal van deze node heeft meegetekend, past er niet meer bij: "+
			"de database is een oude kopie, of er is in het journaal geschreven; zie doorstroom journal verify --against all")
	}
	if state.Needed > 0 && state.Age(now) > unwitnessedLong {
		alarms = append(alarms, "de laatste "+strconv.FormatUint(state.Tail, 10)+" regels van het journaal zijn al meer dan 3 dagen door te weinig getuigen meegetekend; zie doorstroom doctor")
	}
	return alarms
}

func (d *Desk) nameOr(oin gateway.OIN) string {
	if name := d.partyName(oin); name != "" {
		return name
	}
	return string(oin)
}

// journalNotes are what stands out about one other party and the two journals.
func (d *Desk) journalNotes(name string, oin gateway.OIN, state witness.State, watched []store.Watched) (notes []string) {
	for _, s := range state.Statuses {
		if s.Witness == oin && s.Problem == store.WitnessLacks {
			notes = append(notes, name+" is of a version that does not witness journals; another is asked in its place")
		}
	}
	i := slices.IndexFunc(watched, func(w store.Watched) bool { return w.Log == oin })
	if i >= 0 && len(watched[i].Branches) > 0 {
		last := watched[i].Branches[len(watched[i].Branches)-1]
		what := "was restored from a backup"
		if last.Outcome == store.BranchAnew {
			what = "was begun anew"
		}
		notes = append(notes, name+"'s journal "+what+": it goes on from entry "+strconv.FormatUint(last.Entry, 10)+
			", and this node had witnessed "+strconv.FormatUint(last.Lost, 10)+" ("+last.At.In(gateway.Amsterdam()).Format("2006-01-02")+")")
	}
	return notes
}
