package aanmelding_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/adapters/aanmelding"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/schemas"
)

const day = gateway.Date("2026-11-22")

func read(t *testing.T, text string) ([]aanmelding.Row, string, error) {
	t.Helper()
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "in.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, problems, err := aanmelding.Read(path, lists, day)
	var told []string
	for _, p := range problems {
		told = append(told, p.Text())
	}
	return rows, strings.Join(told, "\n"), err
}

func TestRead(t *testing.T) {
	rows, problems, err := read(t, "Kenmerk;Aanbod;Grondslag;Trajectsoort;Werksoorten;Dagdelen;Vanaf;Postcode;KM;Geïnformeerd op;Geinformeerd hoe;Past\n"+
		"Z-1;groen;Participatiewet;Participatieplek;groen;di-ochtend, do ochtend;4-1-2027;2952 AB;8;20-11-2026;In een gesprek;ja\n")
	if err != nil || problems != "" || len(rows) != 1 {
		t.Fatalf("got %v, %s, %v; want one row", rows, problems, err)
	}
	n := rows[0].Need
	if rows[0].Reference != "Z-1" || rows[0].Line != 2 || n.Offer != "groen" || n.Grondslag != "participatiewet" || n.Trajectsoort != "participatieplaats" ||
		len(n.Dagdelen) != 2 || n.From != "2027-01-04" || n.Postcode != "2952" || n.MaxKm != 8 || n.Informed.On != "2026-11-20" ||
		n.Informed.How != "gesprek" || !n.Fits {
		t.Errorf("got %+v", rows[0])
	}
}

func TestReadTellsWhatIsWrong(t *testing.T) {
	rows, problems, err := read(t, "kenmerk,aanbod,werksoorten,dagdelen,vanaf,toelichting\n"+
		",groen,,,,\n"+
		"Z-2,groen,vliegen,ooit,morgen,bsn 111222333\n"+
		"Z-3,,,,,\n"+
		"Z-4,groen,groen,ma-ochtend,2027-01-04,buiten\n"+
		"Z-4,groen,groen,ma-ochtend,2027-01-04,buiten\n")
	if err != nil || len(rows) != 1 || rows[0].Reference != "Z-4" {
		t.Fatalf("got %v, %v; want the good row only", rows, err)
	}
	for _, want := range []string{
		"regel 2, kolom kenmerk", "regel 3, kolom werksoorten", "regel 3, kolom dagdelen", "regel 3, kolom vanaf", "regel 3, kolom toelichting",
		"regel 4, kolom aanbod", "regel 6, kolom kenmerk",
	} {
		if !strings.Contains(problems, want) {
			t.Errorf("got %s; want %s", problems, want)
		}
	}
	if strings.Contains(problems, "111222333") || strings.Contains(problems, "vliegen") {
		t.Errorf("the problems repeat what a cell says: %s", problems)
	}
}

func TestReadRefusesFiles(t *testing.T) {
	for name, text := range map[string]string{
		"no offer column": "kenmerk\nZ-1\n",
		"unknown column":  "kenmerk,aanbod,bsn\nZ-1,groen,1\n",
		"twice":           "kenmerk,aanbod,aanbod\nZ-1,groen,groen\n",
		"attachment":      "kenmerk,aanbod,Bijlage\nZ-1,groen,cv.pdf\n",
		"empty":           "",
	} {
		_, _, err := read(t, text)
		if gateway.KindOf(err) != gateway.Invalid || strings.Contains(err.Error(), "cv.pdf") {
			t.Errorf("%s: got %v, want Invalid, without what is in it", name, err)
		}
		if attached := strings.Contains(text, "ijlage"); attached && !strings.Contains(err.Error(), "regel 1, cel C: bijlagen worden niet ondersteund") {
			t.Errorf("%s: got %v, want that there are no attachments", name, err)
		}
	}
}
