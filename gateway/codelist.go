package gateway

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// DataClass is how sensitive a property or a code is.
type DataClass string

const (
	Gewoon          DataClass = "gewoon"
	Persoon         DataClass = "persoon"
	Bijzonder       DataClass = "bijzonder"       // AVG art. 9
	Strafrechtelijk DataClass = "strafrechtelijk" // AVG art. 10
)

// CodeList is one versioned list of terms, kept as data in schemas/codelists.
type CodeList struct {
	Name    string `json:"name"`
	Label   string `json:"label"`
	Version string `json:"version"`
	Source  string `json:"source,omitempty"`
	Codes   []Code `json:"codes"`

	place map[string]int // in Codes, of each code; a hint
}

// Code is one term: the code itself, its Dutch label, other spellings by which
// an admin may call it, its validity and its data class.
type Code struct {
	Code       string    `json:"code"`
	Label      string    `json:"label"`
	Aliases    []string  `json:"aliases,omitempty"`
	ValidFrom  Date      `json:"validFrom"`
	ValidUntil Date      `json:"validUntil,omitempty"`
	Class      DataClass `json:"class"`
}

// CodeLists holds code lists by name. It is read-only after it has been loaded.
type CodeLists map[string]CodeList

// LoadCodeLists reads every codelists/*.json of fsys.
func LoadCodeLists(fsys fs.FS) (CodeLists, error) {
	names, err := fs.Glob(fsys, "codelists/*.json")
	if err != nil {
		return nil, fmt.Errorf("find code lists: %w", err)
	}
	lists := CodeLists{}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read code list: %w", err)
		}
		var list CodeList
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, fmt.Errorf("parse code list %s: %w", name, err)
		}
		if want := strings.TrimSuffix(path.Base(name), ".json"); list.Name != want {
			return nil, fmt.Errorf("code list %s calls itself %q", name, list.Name)
		}
		list.place = make(map[string]int, len(list.Codes))
		for i, c := range list.Codes {
			list.place[c.Code] = i
		}
		lists[list.Name] = list
	}
	return lists, nil
}

// Newer tells whether version a of a code list comes after b. Versions are dates,
// or other texts that sort as they follow each other.
func Newer(a, b string) bool { return a > b }

// Find gives a code of a list, valid or not.
func (l CodeLists) Find(list, code string) (Code, bool) {
	in := l[list]
	if i, ok := in.place[code]; ok && i < len(in.Codes) && in.Codes[i].Code == code {
		return in.Codes[i], true
	}
	for i := range in.Codes { // a list that was made or changed by hand
		if in.Codes[i].Code == code {
			return in.Codes[i], true
		}
	}
	return Code{}, false
}

// Check says whether a code exists and is valid on a day. The error names the
// list and, when the code is a known one, the code.
func (l CodeLists) Check(list, code string, day Date) error {
	c, ok := l.Find(list, code)
	if !ok {
		return Errorf(Invalid, "unknown code in code list %s", list)
	}
	if !day.Within(c.ValidFrom, c.ValidUntil) {
		return Errorf(Invalid, "code %s of code list %s is not valid on %s", code, list, day)
	}
	return nil
}

// Label is the Dutch label of a code, or the code itself where it has none.
func (l CodeLists) Label(list, code string) string {
	if c, ok := l.Find(list, code); ok {
		return c.Label
	}
	return code
}
