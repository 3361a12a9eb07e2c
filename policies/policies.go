// Package policies holds the policy files that Doorstroom ships: a template for
// each kind of party, to start from. Use it to copy one into a new data
// directory; gateway/policy loads what has become of it.
package policies

import (
	"embed"
	"io/fs"
)

//go:embed *.yaml
var files embed.FS

// FS gives read-only access to the templates, <kind of party>.yaml. In each the
// token {{party}} stands for the OIN of the party. It is safe for concurrent use.
func FS() fs.FS { return files }
