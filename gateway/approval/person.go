package approval

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

// maxPersons bounds a list; so many signatures fit on one document, and more
// than once over.
const maxPersons = 50

// Person is somebody who may sign or approve policies, at this party or another.
type Person struct {
	Name     string
	Function string
	Party    string // of whom, if not of this party
	Sign     bool
	Approve  bool
	Key      gateway.Key
}

// entry is a person as the list has it.
type entry struct {
	Name     string            `yaml:"name"`
	Function string            `yaml:"function"`
	Party    string            `yaml:"party"`
	May      []string          `yaml:"may"`
	Key      map[string]string `yaml:"key"`
}

// ParsePersons reads the list of those who may sign and approve policies, as
// Entry writes them.
func ParsePersons(data []byte) ([]Person, error) {
	var file struct {
		Approvers []entry `yaml:"approvers"`
	}
	if err := yaml.Load(data, &file, yaml.WithKnownFields()); err != nil {
		return nil, gateway.Wrap(gateway.Invalid, err, "the list of approvers is not as doorstroom policy key writes it")
	}
	if len(file.Approvers) > maxPersons {
		return nil, gateway.Errorf(gateway.Invalid, "the list of approvers has more than %d persons", maxPersons)
	}
	var all []Person
	for i, e := range file.Approvers {
		p, err := e.person()
		if err != nil {
			return nil, gateway.Wrap(gateway.Invalid, err, fmt.Sprintf("person %d of the list of approvers: %s", i+1, gateway.SafeMessage(err)))
		}
		if slices.ContainsFunc(all, func(o Person) bool { return o.Key.KID == p.Key.KID || strings.EqualFold(o.Name, p.Name) }) {
			return nil, gateway.Errorf(gateway.Invalid, "two persons on the list of approvers have one name or one key")
		}
		all = append(all, p)
	}
	return all, nil
}

func (e entry) person() (Person, error) {
	p := Person{Name: strings.TrimSpace(e.Name), Function: e.Function, Party: e.Party}
	if p.Name == "" {
		return p, gateway.Errorf(gateway.Invalid, "the name is missing")
	}
	for _, what := range e.May {
		switch what {
		case "sign":
			p.Sign = true
		case "approve":
			p.Approve = true
		default:
			return p, gateway.Errorf(gateway.Invalid, "may is a list of sign and approve")
		}
	}
	if !p.Sign && !p.Approve {
		return p, gateway.Errorf(gateway.Invalid, "may is missing: a list of sign and approve")
	}
	jwk, err := json.Marshal(e.Key)
	if err != nil {
		return p, gateway.Errorf(gateway.Invalid, "the key cannot be read")
	}
	p.Key = gateway.Key{KID: e.Key["kid"], JWK: jwk}
	return p, seal.CheckSigningKey(p.Key)
}

// Entry is the person as the list has it, a list item of YAML.
func (p Person) Entry() (string, error) {
	var key map[string]string
	if err := json.Unmarshal(p.Key.JWK, &key); err != nil {
		return "", gateway.Wrap(gateway.Internal, err, "the public key cannot be read")
	}
	var may, parts []string
	if p.Sign {
		may = append(may, "sign")
	}
	if p.Approve {
		may = append(may, "approve")
	}
	key["kid"] = p.Key.KID
	for _, member := range []string{"kty", "crv", "x", "y", "use", "alg", "kid"} {
		if value := key[member]; value != "" {
			parts = append(parts, fmt.Sprintf("%s: %q", member, value))
		}
	}
	lines := []string{fmt.Sprintf("  - name: %q", p.Name)}
	if p.Function != "" {
		lines = append(lines, fmt.Sprintf("    function: %q", p.Function))
	}
	if p.Party != "" {
		lines = append(lines, fmt.Sprintf("    party: %q", p.Party))
	}
	lines = append(lines, "    may: ["+strings.Join(may, ", ")+"]", "    key: {"+strings.Join(parts, ", ")+"}")
	return strings.Join(lines, "\n") + "\n", nil
}

func find(persons []Person, kid string) (Person, bool) {
	i := slices.IndexFunc(persons, func(p Person) bool { return p.Key.KID == kid })
	if i < 0 {
		return Person{}, false
	}
	return persons[i], true
}

// ByKey finds the person whose key has this id.
func ByKey(persons []Person, kid string) (Person, error) {
	if p, ok := find(persons, kid); ok {
		return p, nil
	}
	return Person{}, gateway.Errorf(gateway.NotFound, "this key is of nobody on the list of approvers; see doorstroom policy key")
}
