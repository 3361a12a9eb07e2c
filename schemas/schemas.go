// Package schemas holds the JSON Schemas and code lists of Doorstroom as data:
// files that experts of the trade and of privacy can read and review. Use
// gateway/schema to validate with them; use this package for the files
// themselves, for example to serve or to print them.
package schemas

import (
	"embed"
	"io/fs"
)

//go:embed *.json codelists/*.json
var files embed.FS

// FS gives read-only access to *.json (the schemas) and codelists/*.json. It is
// safe for concurrent use.
func FS() fs.FS { return files }
