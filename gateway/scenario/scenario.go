// Package scenario holds whole federations as files: who takes part, their
// configurations and policies, and the exports of their administrations. Use it
// to show people what Doorstroom does, and in tests that want a region rather
// than two parties: Load one, ask what its files say, or Lay it out on disk with
// fresh keys and a signed register. Demo runs one as separate processes.
//
// Every scenario is made up, uses test OINs only, and is compiled into the
// program.
package scenario

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/audit"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/schema"
)

//go:embed drechtsteden groningen zoetermeer
var files embed.FS

// Files of a scenario; those of a party are in its folder.
const (
	registerFile = "register.yaml"
	mappingFile  = "mapping.yaml"
)

// Names lists the scenarios.
func Names() []string { return []string{"drechtsteden", "groningen", "zoetermeer"} }

// Scenario is one federation as files. It is read-only and safe for concurrent
// use.
type Scenario struct {
	title, signer string
	members       []Member
	story         *Story
	files         fs.FS
	schema        *schema.Validator
}

// Member is one party of a scenario.
type Member struct {
	Folder    string             `yaml:"folder"` // name of its folder
	OIN       gateway.OIN        `yaml:"oin"`
	Name      string             `yaml:"name"`
	Kind      gateway.PartyKind  `yaml:"kind"`
	Gemeenten []gateway.Gemeente `yaml:"gemeenten"`
	Contact   gateway.Functional `yaml:"contact"`
	Mandates  []gateway.Mandate  `yaml:"mandates"`
	Source    string             `yaml:"source"` // its export; empty for a party that offers nothing
}

// Story is what a scenario must be able to show of three made-up people who are
// referred; it is why the places in it are divided as they are.
type Story struct {
	By        gateway.OIN      `yaml:"by"`        // who refers them to the first company
	Elsewhere gateway.Gemeente `yaml:"elsewhere"` // where the one who meets a full allotment has an alternative
}

// Load reads a scenario. NotFound if there is none of that name.
func Load(name string) (*Scenario, error) {
	if !slices.Contains(Names(), name) {
		return nil, gateway.Errorf(gateway.NotFound, "there is no scenario of that name; there are: %v", Names())
	}
	sub, err := fs.Sub(files, name)
	if err != nil {
		return nil, fmt.Errorf("open scenario: %w", err)
	}
	data, err := fs.ReadFile(sub, registerFile)
	if err != nil {
		return nil, fmt.Errorf("read scenario: %w", err)
	}
	var file struct {
		Title   string   `yaml:"title"`
		Signer  string   `yaml:"signer"`
		Story   *Story   `yaml:"story"`
		Parties []Member `yaml:"parties"`
	}
	if err := yaml.Load(data, &file, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("parse scenario: %w", err)
	}
	validator, err := schema.New()
	if err != nil {
		return nil, fmt.Errorf("compile schemas: %w", err)
	}
	return &Scenario{title: file.Title, signer: file.Signer, members: file.Parties, story: file.Story, files: sub, schema: validator}, nil
}

// Members are the parties, in the order in which people are told of them.
func (s *Scenario) Members() []Member { return slices.Clone(s.members) }

func (s *Scenario) member(oin gateway.OIN) (Member, error) {
	if i := slices.IndexFunc(s.members, func(m Member) bool { return m.OIN == oin }); i >= 0 {
		return s.members[i], nil
	}
	return Member{}, gateway.Errorf(gateway.NotFound, "the scenario has no party with that OIN")
}

// Parties are the members as policy sees them: without keys and endpoints.
func (s *Scenario) Parties() []gateway.Party {
	var parties []gateway.Party
	for _, m := range s.members {
		p := gateway.Party{OIN: m.OIN, Name: m.Name, Kind: m.Kind, Contact: m.Contact, Mandates: slices.Clone(m.Mandates)}
		for _, code := range m.Gemeenten {
			p.Gemeenten = append(p.Gemeenten, gateway.GemeenteFor{Code: code})
		}
		parties = append(parties, p)
	}
	return parties
}

// Offers reads a party's export through the adapters, as its node would on that
// day. A problem in a row, or a warning, is an error: scenarios are clean. A
// party without an export has no offers.
func (s *Scenario) Offers(ctx context.Context, oin gateway.OIN, day gateway.Date) ([]gateway.Offer, error) {
	m, err := s.member(oin)
	if err != nil || m.Source == "" {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ds-")
	if err != nil {
		return nil, fmt.Errorf("make folder for export: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := s.copy(m, dir, m.Source); err != nil {
		return nil, err
	}
	mapping, err := s.read(m, mappingFile)
	if err != nil {
		return nil, err
	}
	imp, err := readExport(ctx, filepath.Join(dir, m.Source), m, mapping, s.schema.Lists(), day)
	if err != nil {
		return nil, err
	}
	return imp.Offers, nil
}

// readExport makes an Import of a member's export, which has nothing wrong.
func readExport(ctx context.Context, path string, m Member, mapping []byte, lists gateway.CodeLists, day gateway.Date) (gateway.Import, error) {
	parsed, err := adapters.ParseMapping(mappingFile, mapping)
	if err != nil {
		return gateway.Import{}, fmt.Errorf("read mapping of %s: %w", m.Name, err)
	}
	imp, err := adapters.Read(ctx, path, adapters.Options{Mapping: parsed, Provider: m.OIN, Lists: lists, Day: day})
	if err != nil {
		return gateway.Import{}, fmt.Errorf("read export of %s: %w", m.Name, err)
	}
	if len(imp.Problems) > 0 {
		return gateway.Import{}, gateway.Errorf(gateway.Invalid, "%s", imp.Problems[0].Text())
	}
	return imp, nil
}

// Policy loads a party's policy as its node would on that day, with what is
// expected of it. A warning, such as of a rule that no expectation covers, is an
// error: scenarios are clean.
func (s *Scenario) Policy(oin gateway.OIN, day gateway.Date) (*policy.Policy, error) {
	m, err := s.member(oin)
	if err != nil {
		return nil, err
	}
	var files []policy.File
	for _, name := range m.policyFiles() {
		data, err := s.read(m, name)
		if err != nil {
			return nil, err
		}
		files = append(files, policy.File{Name: name, Data: data})
	}
	env, err := s.env(oin, day)
	if err != nil {
		return nil, err
	}
	loaded, warnings, err := audit.LoadExpected(files, env)
	if err != nil {
		return nil, fmt.Errorf("load policy of %s: %w", m.Name, err)
	}
	if len(warnings) > 0 {
		return nil, gateway.Errorf(gateway.Invalid, "policy of %s: %s", m.Name, warnings[0])
	}
	expectations, err := policy.Expectations(files, env)
	if err != nil {
		return nil, fmt.Errorf("read expectations of %s: %w", m.Name, err)
	}
	if left := audit.Expect(loaded, expectations, env).Uncovered; m.Source != "" && len(left) > 0 {
		return nil, gateway.Errorf(gateway.Invalid, "policy of %s: no expectation covers rule %s", m.Name, left[0].ID)
	}
	return loaded, nil
}

// env is the world in which a party's policy is read.
func (s *Scenario) env(oin gateway.OIN, day gateway.Date) (policy.Env, error) {
	_, err := s.member(oin)
	return policy.Env{Self: oin, Parties: s.Parties(), Lists: s.schema.Lists(), Class: s.schema.Class, Today: day}, err
}

// policyFiles are a party's policy and, of one that offers something, what is
// expected of it.
func (m Member) policyFiles() []string {
	if m.Source == "" {
		return []string{node.PolicyFile}
	}
	return []string{node.PolicyFile, node.ExpectFile}
}

// read reads a file of a member's folder.
func (s *Scenario) read(m Member, name string) ([]byte, error) {
	data, err := fs.ReadFile(s.files, path.Join(m.Folder, name))
	if err != nil {
		return nil, fmt.Errorf("read file of %s: %w", m.Name, err)
	}
	return data, nil
}

// copy writes files of a member's folder to dir.
func (s *Scenario) copy(m Member, dir string, names ...string) error {
	for _, name := range names {
		data, err := s.read(m, name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("write file of %s: %w", m.Name, err)
		}
	}
	return nil
}
