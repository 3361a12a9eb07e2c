package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// A map of one's own counts; with one that is wrong the node does not start, and
// says which file.
func TestPlacesFolder(t *testing.T) {
	t.Parallel()
	s := newSite(t, [2]string{`places: {folder: ""}`, `places: {folder: kaart}`})
	folder := s.config.Places.Folder
	must(t, os.Mkdir(folder, 0o755))
	file := filepath.Join(folder, search.PostcodesFile)
	must(t, os.WriteFile(file, []byte("pc4,lat,lon,nauwkeurigheid_km,gemeente,plaats\n1234,52.0,5.0,1,gm0344,Eigendorp\n"), 0o644))
	n, err := node.New(t.Context(), s.options())
	must(t, err)
	if got := n.Desk.Map.Gemeente("1234AB"); got != "gm0344" {
		t.Errorf("got gemeente %q, want that of the map of the folder", got)
	}
	doctor := func() desk.Finding {
		t.Helper()
		findings, err := n.Desk.Doctor(t.Context(), gt.Everyone())
		must(t, err)
		i := slices.IndexFunc(findings, func(f desk.Finding) bool { return f.Check == "map" })
		if i < 0 {
			t.Fatal("the doctor does not look at the map")
		}
		return findings[i]
	}
	if got := doctor(); got.Level != desk.LevelOK || got.Text != "1 postcode; of your own are postcodes.csv" {
		t.Errorf("a good map: got %+v", got)
	}
	must(t, os.Rename(file, filepath.Join(folder, "Postcodes.CSV")))
	if got := doctor(); got.Level != desk.LevelWarning || !strings.Contains(got.Text, search.PostcodesFile) {
		t.Errorf("a file with another name: got %+v, want a warning with the names that count", got)
	}
	must(t, os.WriteFile(file, []byte("postcode\n1234\n"), 0o644))
	if got := doctor(); got.Level != desk.LevelError || !strings.Contains(got.Text, search.PostcodesFile) {
		t.Errorf("a bad map: got %+v, want an error that names the file, before the node is started again", got)
	}
	must(t, n.Stop(t.Context()))
	n, err = node.New(t.Context(), s.options())
	if err == nil {
		must(t, n.Stop(t.Context()))
	}
	if gateway.KindOf(err) != gateway.Invalid || !strings.Contains(err.Error(), search.PostcodesFile) {
		t.Errorf("got %v, want Invalid that names the file", err)
	}
}
