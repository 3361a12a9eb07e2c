package desk

import (
	"time"
)

// Progress is how far an import that is under way has come: of its changed
// offers, so many have been published.
type Progress struct {
	Source string    `json:"source"`
	Since  time.Time `json:"since"`
	Done   int       `json:"done"`
	Total  int       `json:"total"`
}

// progressEvery is how often a long import is logged.
const progressEvery = 5 * time.Second

// follow begins to tell of an import in Status and, if it takes long, in the
// log, until end.
func (d *Desk) follow(source string, now time.Time) (progress func(done, total int), end func()) {
	logged := time.Now()
	progress = func(done, total int) {
		d.progress.Store(&Progress{Source: source, Since: now, Done: done, Total: total})
		if time.Since(logged) >= progressEvery {
			logged = time.Now()
			d.Log.Info("import under way", "source", source, "offers", done, "of", total)
		}
	}
	return progress, func() { d.progress.Store(nil) }
}
