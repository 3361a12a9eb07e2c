package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

const (
	recipients  = 342 // gemeenten of the Netherlands
	projections = 20
	inAllotment = 3 // gemeenten that share one; the rest share none
)

// importFigures is one import for all gemeenten.
type importFigures struct {
	Offers     int     `json:"offers"`
	Recipients int     `json:"recipients"`
	Messages   int     `json:"messages"`
	Seconds    float64 `json:"seconds"` // until the answer: all is in the outboxes
	CPU        float64 `json:"cpu_seconds"`
	PeakMB     float64 `json:"peak_rss_anon_mb"`
	FileMB     float64 `json:"file_mb"`
}

// importing publishes one full export for every gemeente; nobody answers.
func importing(ctx context.Context, b *bench) (err error) {
	var oins []gateway.OIN
	for i := range recipients - 1 { // the receiver is one more
		oins = append(oins, gateway.OIN(fmt.Sprintf("00000099%012d", 1_000_000+i)))
	}
	f, err := lay(b.folder("import"), nationwide(oins))
	if err != nil {
		return err
	}
	p, _, err := start(ctx, f.sender)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	imp := gateway.Import{Source: source, Full: true}
	for i := range b.offers {
		imp.Offers = append(imp.Offers, sharedOffer(i, oins))
	}
	b.say("importing %d offers for %d gemeenten", b.offers, recipients)
	before, err := p.stats(ctx)
	if err != nil {
		return err
	}
	figures := &importFigures{Offers: b.offers, Recipients: recipients}
	peak, err := p.peak(func() error {
		begin := time.Now()
		report, err := p.local.Publish(ctx, imp, false)
		figures.Seconds, figures.Messages = time.Since(begin).Seconds(), report.Messages
		if want := b.offers * recipients; err == nil && figures.Messages != want {
			text, _, _ := strings.Cut(report.Text(), "\n\n")
			err = fmt.Errorf("the import made %d messages, want %d: %.500s", figures.Messages, want, text)
		}
		return err
	})
	if err != nil {
		return err
	}
	s, err := p.stats(ctx)
	figures.CPU = time.Duration(s.CPU - before.CPU).Seconds()
	figures.PeakMB, figures.FileMB = mb(peak), mb(s.FileBytes)
	if err == nil {
		b.figures.Import = figures
	}
	return err
}

// nationwide is a register with so many gemeenten. Which they are does not
// matter: the places are allotted to parties.
func nationwide(oins []gateway.OIN) shape {
	s := shape{database: bigFile}
	for i, oin := range oins {
		s.others = append(s.others, gateway.Party{
			OIN: oin, Name: fmt.Sprint("Gemeente ", i), Kind: gateway.GemeenteKind, Endpoint: "https://127.0.0.1:9",
			Gemeenten: []gateway.GemeenteFor{{Code: gateway.Gemeente(fmt.Sprintf("gm%04d", 8000+i))}},
		})
	}
	return s
}

// sharedOffer is an offer of which the gemeenten see one of twenty views: those
// of an allotment see that one, and the rest see none. With more of them in each
// the export would be larger than a node accepts.
func sharedOffer(i int, oins []gateway.OIN) gateway.Offer {
	o := newOffer(fmt.Sprintf("aanbod-%07d", i), receiverGemeente, 1)
	o.Places[0].Maximum, o.Allotments = projections, nil
	for n := range projections - 1 {
		at := (i + n*inAllotment) % (len(oins) - inAllotment)
		o.Allotments = append(o.Allotments, gateway.Allotment{
			ID: fmt.Sprint("regio-", n), Parties: oins[at : at+inAllotment],
			Places: []gateway.Places{{Dagdeel: "ma-ochtend", Maximum: 1}},
		})
	}
	return o
}
