package node

import (
	"fmt"
	"os"

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
