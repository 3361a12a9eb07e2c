// Package policies holds the policy files that Doorstroom ships: a template for
// each kind of party and for each organisation model of a leerwerkbedrijf, with
// what is expected of it. Use it to copy one into a new data directory;
// gateway/policy loads what has become of it.
package policies

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// FS gives read-only access to the templates, NAME.yaml, and the expectations of
// each, NAME_test.yaml. It is safe for concurrent use.
func FS() fs.FS { return files }

// Models are the templates for a leerwerkbedrijf by how a gemeente organises its
// social infrastructure; they are named as a relation names its model.
func Models() []string {
	return []string{"wsw", "beschut", "geintegreerd", "gecombineerd", "partieel", "gemengd", "social-firm"}
}

// What stands in a template for what differs per party.
const (
	partyToken     = "{{party}}"     // its OIN
	gemeenteToken  = "{{gemeente}}"  // in a line that is there for each gemeente it works for
	gemeentenToken = "{{gemeenten}}" // all of them
	numberedToken  = "{{gemeente-%d}}"
)

// Gemeenten tells how many gemeenten a template asks for: none, some exact number,
// or -1 for one or more.
func Gemeenten(name string) (int, error) {
	data, err := fs.ReadFile(files, name+".yaml")
	if err != nil {
		return 0, fmt.Errorf("there is no policy template %q", name)
	}
	n := 0
	for strings.Contains(string(data), fmt.Sprintf(numberedToken, n+1)) {
		n++
	}
	if n == 0 && strings.Contains(string(data), gemeenteToken) {
		return -1, nil
	}
	return n, nil
}

// Template fills in a template and its expectations for a party that works for
// the gemeenten, which are as many as Gemeenten asks for.
func Template(name, party string, gemeenten []string) (policy, expectations []byte, err error) {
	asked, err := Gemeenten(name)
	if err != nil {
		return nil, nil, err
	}
	if asked >= 0 && asked != len(gemeenten) || asked < 0 && len(gemeenten) == 0 {
		return nil, nil, fmt.Errorf("policy template %s is not for a party that works for %d gemeenten", name, len(gemeenten))
	}
	for file, to := range map[string]*[]byte{name + ".yaml": &policy, name + "_test.yaml": &expectations} {
		data, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, nil, fmt.Errorf("read policy template: %w", err)
		}
		*to = []byte(fill(string(data), party, gemeenten))
	}
	return policy, expectations, nil
}

func fill(text, party string, gemeenten []string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, gemeenteToken) {
			b.WriteString(line)
			continue
		}
		for _, g := range gemeenten {
			b.WriteString(strings.ReplaceAll(line, gemeenteToken, g))
		}
	}
	filled := []string{partyToken, party, gemeentenToken, strings.Join(gemeenten, ", ")}
	for i, g := range gemeenten {
		filled = append(filled, fmt.Sprintf(numberedToken, i+1), g)
	}
	return strings.NewReplacer(filled...).Replace(b.String())
}
