package node

import (
	"context"
	"slices"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/store"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

// witnessedLong is how old the oldest entry may be that is not witnessed.
const witnessedLong = gateway.WarnAfter

// witnesses looks at what others say of this journal, and this node of theirs.
func (x *examination) witnesses(ctx context.Context) {
	if x.store == nil {
		return
	}
	state, err := stoppedWitness(ctx, x.c, x.store).State(ctx)
	if err != nil {
		return // database tells
	}
	for _, s := range state.Statuses {
		if s.Conflict() {
			x.fail("witnesses", "doorstroom journal verify --against all names the entries; if an old copy of the database is in use, restore that copy, else ask who wrote in the database",
				"%s holds a head over %s, of before %s, that this journal does not continue", x.nameOf(s.Witness), gateway.Count(s.Theirs, "entry", "entries"), day(s.Since))
		}
	}
	x.tail(state)
	watched, err := x.store.Watched(ctx)
	if err != nil {
		return
	}
	bad := false
	for _, w := range watched {
		if r := w.Refused; r != nil {
			bad = true
			x.fail("journals of others", "call the person who runs that node: it may have an old copy of its database, or its journal was rewritten; the checkpoint is kept as evidence",
				"since %s the journal of %s does not continue what this node witnessed (%s)", day(r.At), x.nameOf(w.Log), r.Outcome)
		}
		if i := slices.IndexFunc(w.Branches, func(b store.Branch) bool { return b.Outcome == store.BranchAnew }); i >= 0 {
			x.warn("journals of others", "ask whether its database was lost", "%s began its journal anew on %s; this node had witnessed %s",
				x.nameOf(w.Log), day(w.Branches[i].At), gateway.Count(w.Branches[i].Lost, "entry", "entries"))
		}
	}
	if !bad {
		x.ok("journals of others", "this node witnesses %s, and all go on from what it saw", gateway.Count(len(watched), "journal", "journals"))
	}
}

// tail tells how much of the journal could still be rewritten unnoticed.
func (x *examination) tail(state witness.State) {
	age := state.Age(x.now)
	switch {
	case state.Needed == 0:
		x.warn("witnesses", "set witnesses.number, and have a register with other parties", "nobody witnesses the journal of this node: whoever owns this machine could rewrite it")
	case age > witnessedLong:
		x.warn("witnesses", "doorstroom journal witness shows who does not cosign, and why", "%s of the journal, %s old at most, could still be rewritten: fewer than %s cosigned them",
			gateway.Count(state.Tail, "entry", "entries"), gateway.Count(int(age/(24*time.Hour)), "day", "days"), gateway.Count(state.Needed, "witness", "witnesses"))
	case state.Size == 0:
		x.ok("witnesses", "nobody has witnessed the journal yet; that happens once a day")
	default:
		x.ok("witnesses", "%s cosigned the first %s of the journal; those after them (%d) wait for the next time", gateway.Count(state.Needed, "party", "parties"),
			gateway.Count(state.Size, "entry", "entries"), state.Tail)
	}
}

func (x *examination) nameOf(oin gateway.OIN) string {
	if x.desk != nil && x.desk.Rules().Register != nil {
		if p, ok := x.desk.Rules().Register.Party(oin); ok {
			return p.Name
		}
	}
	return string(oin)
}
