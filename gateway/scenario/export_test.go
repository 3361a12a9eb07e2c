package scenario

import (
	"bytes"
	"io/fs"
	"testing/fstest"
)

// WithStory is a scenario that promises something else.
func (s *Scenario) WithStory(story Story) *Scenario {
	other := *s
	other.story = &story
	return &other
}

// WithFile is a scenario in which text in a file is another.
func (s *Scenario) WithFile(name, old, text string) (*Scenario, error) {
	data, err := fs.ReadFile(s.files, name)
	if err != nil {
		return nil, err
	}
	other := *s
	other.files = overlay{s.files, fstest.MapFS{name: {Data: bytes.Replace(data, []byte(old), []byte(text), 1)}}}
	return &other, nil
}

type overlay struct {
	fs.FS
	over fstest.MapFS
}

func (o overlay) Open(name string) (fs.File, error) {
	if _, ok := o.over[name]; ok {
		return o.over.Open(name)
	}
	return o.FS.Open(name)
}
