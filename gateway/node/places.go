package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// mapOf reads the map that tells how far places are.
func mapOf(c config.Config) (*search.Map, error) {
	if c.Places.Folder == "" {
		return search.ShippedMap(), nil
	}
	m, err := search.LoadMap(os.DirFS(c.Places.Folder))
	if err != nil {
		return nil, fmt.Errorf("read the map of places.folder: %w", err)
	}
	return m, nil
}

// cyclingMap looks at the map in places.folder as it is now: the node reads it
// only when it starts.
func (x *examination) cyclingMap() {
	const check, folder = "map", "places.folder"
	if x.c.Places.Folder == "" {
		return
	}
	m, err := mapOf(x.c)
	if err != nil {
		x.fail(check, "mend it: with this map the node does not start again", "%s: %s", folder, gateway.SafeMessage(err))
		return
	}
	var own []string
	for _, name := range search.Files() {
		if _, err := os.Stat(filepath.Join(x.c.Places.Folder, name)); err == nil {
			own = append(own, name)
		}
	}
	if len(own) == 0 {
		x.warn(check, "put a file with one of these names there, or leave the key empty",
			"%s has none of %s: the map that comes with the program counts", folder, strings.Join(search.Files(), ", "))
		return
	}
	x.ok(check, "%s; of your own are %s", gateway.Count(m.Postcodes(), "postcode", "postcodes"), strings.Join(own, ", "))
}
