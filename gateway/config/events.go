package config

// Events says how long what happened is kept for programs that read it, and how
// much of it.
type Events struct {
	Keep Term `yaml:"keep"`
	Most int  `yaml:"most"`
}

func checkEvents(d *decoder, e Events) {
	if years, months, days, ok := e.Keep.parts(); !ok || years*365+months*30+days < 1 || years*365+months*30+days > 366 {
		d.failAt("events.keep", "expected a term from a day to a year, as in P90D")
	}
	between(d, "events.most", e.Most, 100, 1_000_000)
}
