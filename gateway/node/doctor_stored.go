package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/store"
)

// keptLong is how long an old database is of use to go back to an older program.
const keptLong = 7 * 24 * time.Hour

// copies looks at whether others remember more of this node than it does itself.
func (x *examination) copies() {
	if x.desk == nil || !x.live {
		return // what others say is known to a running node only
	}
	if names := x.desk.KnownNewer(); len(names) > 0 {
		x.fail("copies", "end every copy of this node that runs elsewhere; stop this one, copy node.db aside, and: doorstroom restore --await 0s THAT-COPY",
			"%s disregarded what was sent in the last day, because of newer messages of this node: its database is an older copy, or another one is in use too", list(names))
		return
	}
	x.ok("copies", "no other node knows newer messages of this one than it sends")
}

// kept names the databases that an upgrade or a restore left beside the present
// one: nothing deletes them, and anybody who can read them reads all.
func (x *examination) kept() {
	const upgrade, restore = ".format", ".before-restore-"
	path := filepath.Join(x.c.Data, databaseFile)
	found := 0
	for _, pattern := range []string{upgrade + "*-*", restore + "*"} {
		names, _ := filepath.Glob(path + pattern)
		for _, name := range names {
			info, err := os.Stat(name)
			if err != nil {
				continue // it has just been removed
			}
			found++
			age := x.now.Sub(keptSince(name, info))
			what := filepath.Base(name) + ", " + megabytes(info.Size()) + ", " + gateway.Count(int(age.Hours()/24), "day", "days") + " old"
			switch {
			case strings.HasPrefix(pattern, restore):
				x.ok("kept copies", "%s: from before a restore, not encrypted; keep it as long as you keep your journal", what)
			case age > keptLong:
				x.warn("kept copies", "remove it when all is well: rm "+name, "%s: from before an upgrade, and not encrypted", what)
			default:
				x.ok("kept copies", "%s: from before an upgrade, not encrypted; remove it when all has been well for a week", what)
			}
		}
	}
	if found == 0 {
		x.ok("kept copies", "there are none of before an upgrade or a restore")
	}
}

// keptSince is the time in the name of a kept database; copying it elsewhere and
// back does not make it younger.
func keptSince(name string, info os.FileInfo) time.Time {
	for _, part := range strings.Split(name, "-") {
		if at, err := time.Parse(backupTime, part); err == nil {
			return at
		}
	}
	return info.ModTime()
}

// compaction tells when the database last gave room back, and whether it should.
func (x *examination) compaction(ctx context.Context) {
	if x.store == nil {
		return
	}
	last, ok, err := x.store.LastCompaction(ctx)
	if err != nil {
		return // database tells
	}
	text := "none was needed yet"
	if ok {
		text = "the last one, on " + day(last.At) + ", made " + megabytes(last.After) + " of " + megabytes(last.Before)
	}
	if x.live && x.store.Usage().Wasteful() {
		x.warn("compaction", "it is tried every hour; if that fails the log says why: often the disk has no room for a copy",
			"most of the database file is free and has not been given back; %s", text)
		return
	}
	x.ok("compaction", "%s", text)
}

// breakGlass names access that nobody has acknowledged yet, and not whose or why.
func (x *examination) breakGlass(ctx context.Context) {
	if x.desk == nil {
		return
	}
	shown, err := x.desk.BreakGlassToShow(ctx)
	if err != nil {
		return // database tells
	}
	for _, b := range shown {
		if b.Open(x.now) {
			x.warn("break-glass", "doorstroom break-glass end, as soon as the work is done", "access %d to offers is open until %s", b.Number, minute(b.Until))
			continue
		}
		x.warn("break-glass", fmt.Sprintf("a privacy officer: doorstroom break-glass acknowledge %d", b.Number),
			"access %d to offers was open from %s to %s, with %s", b.Number, minute(b.Since), minute(b.Ends()), gateway.Count(b.Reads, "reading", "readings"))
	}
	if len(shown) == 0 {
		x.ok("break-glass", "nobody has access beyond his roles, and all that was is acknowledged")
	}
}

// referrals tells whether next steps are taken: counts only.
func (x *examination) referrals() {
	if x.desk == nil {
		return
	}
	switch c := x.desk.ReferralCounts(gateway.DateOf(x.now)); {
	case c.Late > 0:
		x.warn("referrals", "doorstroom referrals list --overdue", "the next step is overdue by more than %d working days of %d of %s", desk.LateAfter, c.Late,
			gateway.Count(c.Open, "open referral", "open referrals"))
	default:
		x.ok("referrals", "%d open, %d overdue", c.Open, c.Overdue)
	}
}

// exports looks at what waits for another export of the admin.
func (x *examination) exports(ctx context.Context) {
	if x.store == nil {
		return
	}
	awaited, err := x.store.Awaiting(ctx, x.now)
	if err != nil {
		return // database tells
	}
	imports, err := x.store.ImportStates(ctx)
	if err != nil {
		return
	}
	waits := false
	warn := func(do, format string, args ...any) {
		waits = true
		x.warn("exports", do, format, args...)
	}
	if len(awaited.Sources) > 0 {
		warn("publish a full export", "the database was restored: until %s nothing of the own offers goes out before a full export of %s",
			awaited.Until.In(gateway.Amsterdam()).Format("2006-01-02 15:04"), list(awaited.Sources))
	}
	var latest store.ImportState
	for _, i := range imports {
		if i.At.After(latest.At) {
			latest = i
		}
		if i.Held != nil {
			warn("look at it, then: doorstroom publish --confirm or --drop", "an export of %s is held: %s would vanish", i.Source, gateway.Count(len(i.Held.Vanished), "offer", "offers"))
		}
		if i.Bad > 0 {
			warn("mend them in the administration, and publish again", "%s in the last export of %s could not be read; others see the last good version",
				gateway.Count(i.Bad, "offer", "offers"), i.Source)
		}
	}
	switch {
	case waits:
	case latest.At.IsZero():
		x.ok("exports", "none was imported yet")
	default:
		x.ok("exports", "the last one, of %s on %s, was good", latest.Source, day(latest.At))
	}
}
