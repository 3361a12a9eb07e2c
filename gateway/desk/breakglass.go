package desk

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// Bounds of break-glass access.
const (
	BreakGlassFor  = 30 * time.Minute // unless the caller asks for another time
	BreakGlassMost = 4 * time.Hour
	leastReason    = 10 // characters
	mostReason     = 500
)

// BreakGlass is one time that somebody was given to read what their roles do not
// give.
type BreakGlass = store.BreakGlass

// BreakGlass lets the caller read what shows offers, for a bounded time. It never
// lets anybody change anything, and it shows until a privacy officer has
// acknowledged it. The journal has a digest of the reason; the reason itself is
// kept where it can be erased.
func (d *Desk) BreakGlass(ctx context.Context, caller gateway.Caller, reason string, term time.Duration) (BreakGlass, error) {
	if err := caller.Authorize(gateway.OpBreakGlass); err != nil {
		return BreakGlass{}, err
	}
	reason = strings.TrimSpace(reason)
	switch n := utf8.RuneCountInString(reason); {
	case n < leastReason || n > mostReason || !utf8.ValidString(reason):
		return BreakGlass{}, gateway.Errorf(gateway.Invalid, "say why, in %d to %d characters", leastReason, mostReason)
	case term <= 0 || term > BreakGlassMost:
		return BreakGlass{}, gateway.Errorf(gateway.Invalid, "break-glass access is for some minutes, and for %d hours at most", int(BreakGlassMost.Hours()))
	case !slices.ContainsFunc(gateway.UnderBreakGlass(), func(op gateway.Operation) bool { return !caller.May(op) }):
		return BreakGlass{}, gateway.Errorf(gateway.Conflict, "you may read offers already: there is nothing to break")
	}
	if err := d.clockIsRight(); err != nil {
		return BreakGlass{}, err
	}
	now := d.now()
	entry := d.entry(caller, journal.KindBreakGlass, now)
	b := BreakGlass{Caller: entry.Caller, Since: now, Until: now.Add(term), Name: caller.Name, Reason: reason, Key: make([]byte, 32)}
	rand.Read(b.Key)
	entry.Outcome, entry.Digest = journal.OutcomeOpened, digestOf(b)
	b, err := d.Store.OpenBreakGlass(ctx, now, b, entry)
	if err == nil {
		d.Log.Warn("break-glass access was opened", "number", b.Number, "until", b.Until)
	}
	return b, err
}

// digestOf binds the journal to what was said, without saying it: the key is
// erased with it.
func digestOf(b BreakGlass) string {
	text, err := json.Marshal([]string{b.Name, b.Reason, b.Until.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		panic("texts can be encoded: " + err.Error())
	}
	mac := hmac.New(sha256.New, b.Key)
	mac.Write(text)
	return hex.EncodeToString(mac.Sum(nil))
}

// clockIsRight keeps a clock that was set back from making a bounded time longer.
func (d *Desk) clockIsRight() error {
	if wall := time.Now(); d.Store.EffectiveTime(wall).Sub(wall) > gateway.ClockSkew {
		return gateway.Errorf(gateway.Unavailable, "the clock of this computer was set back: there is no break-glass access until it is right")
	}
	return nil
}

// readUnderBreakGlass journals, as such, a reading that was denied but for
// break-glass access.
func (d *Desk) readUnderBreakGlass(ctx context.Context, caller gateway.Caller, op gateway.Operation, entry journal.Entry, denied error) error {
	if !caller.May(gateway.OpBreakGlass) || !slices.Contains(gateway.UnderBreakGlass(), op) {
		return denied
	}
	if err := d.clockIsRight(); err != nil {
		return denied
	}
	err := d.Store.UnderBreakGlass(ctx, entry.Time, entry.Caller, entry)
	if gateway.KindOf(err) == gateway.Denied {
		return denied
	}
	if err != nil {
		return fmt.Errorf("journal operation %s: %w", op, err)
	}
	return nil
}

// EndBreakGlass ends that of the caller before its time.
func (d *Desk) EndBreakGlass(ctx context.Context, caller gateway.Caller) (BreakGlass, error) {
	if err := caller.Authorize(gateway.OpBreakGlass); err != nil {
		return BreakGlass{}, err
	}
	now := d.now()
	entry := d.entry(caller, journal.KindBreakGlass, now)
	return d.Store.EndBreakGlass(ctx, now, entry.Caller, entry)
}

// ListBreakGlass gives all that ever were, the first one first.
func (d *Desk) ListBreakGlass(ctx context.Context, caller gateway.Caller) ([]BreakGlass, error) {
	if err := d.read(ctx, caller, gateway.OpListBreakGlass); err != nil {
		return nil, err
	}
	return d.Store.BreakGlasses(ctx)
}

// AcknowledgeBreakGlass marks that the caller has seen one that is over, which was
// somebody else's. It changes that mark only.
func (d *Desk) AcknowledgeBreakGlass(ctx context.Context, caller gateway.Caller, number uint64) (BreakGlass, error) {
	if err := caller.Authorize(gateway.OpAcknowledgeBreakGlass); err != nil {
		return BreakGlass{}, err
	}
	now := d.now()
	return d.Store.AcknowledgeBreakGlass(ctx, now, number, d.entry(caller, string(gateway.OpAcknowledgeBreakGlass), now))
}

// BreakGlassToShow gives those that are open or not acknowledged yet, without who
// and why.
func (d *Desk) BreakGlassToShow(ctx context.Context) ([]BreakGlass, error) {
	return d.breakGlassShown(ctx, gateway.Caller{}, d.now())
}

// breakGlassShown is BreakGlassToShow, with who and why for those whom it concerns.
func (d *Desk) breakGlassShown(ctx context.Context, caller gateway.Caller, now time.Time) (shown []BreakGlass, err error) {
	all, err := d.Store.BreakGlasses(ctx)
	if err != nil {
		return nil, fmt.Errorf("read break-glass access: %w", err)
	}
	for _, b := range all {
		if !b.Open(now) && !b.Acknowledged.IsZero() {
			continue
		}
		if b.Key = nil; !caller.May(gateway.OpListBreakGlass) {
			b.Name, b.Reason, b.Caller = "", "", ""
		}
		shown = append(shown, b)
	}
	return shown, nil
}
