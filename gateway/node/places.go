package node

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/search"
)

// mapOf reads the map that tells how far places are.
func mapOf(c config.Config) (*search.Map, error) {
	var files fs.FS = search.Shipped()
	if c.Places.Folder != "" {
		files = os.DirFS(c.Places.Folder)
	}
	m, err := search.LoadMap(files)
	if err != nil {
		return nil, fmt.Errorf("read the map of places.folder: %w", err)
	}
	return m, nil
}
