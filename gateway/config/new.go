package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/doorstroom/doorstroom/gateway"
)

//go:embed config.yaml.tmpl
var templateText string

// Initial is what a new configuration file says beyond the defaults. Empty
// addresses of Peers and Ops have their default.
type Initial struct {
	Party   gateway.OIN
	Name    string
	Peers   string
	Public  string
	Ops     string
	Anchors []string
	Callers []Caller

	Webhooks []Webhook
}

// Example is what config.example.yaml is made of.
func Example() Initial {
	return Initial{
		Party:   "00000099000000001000",
		Name:    "Leerwerkbedrijf Voorbeeld",
		Anchors: []string{"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		Callers: []Caller{{
			Name:   "servicepunt",
			Roles:  []gateway.Role{gateway.Coordinator, gateway.Beheerder},
			SHA256: strings.Repeat("0123456789abcdef", 4),
		}},
		Webhooks: []Webhook{{Name: "ecd", URL: "https://ecd.voorbeeld.example/doorstroom", Secrets: []string{"ecd.secret"}}},
	}
}

// New writes a commented configuration file for a new node and checks that
// Parse reads it. Anchors may be unknown yet: then the file lacks them, and
// Parse says so until somebody has filled them in.
func New(initial Initial) ([]byte, error) {
	file, err := render(initial)
	if err != nil {
		return nil, err
	}
	complete := file
	if len(initial.Anchors) == 0 {
		initial.Anchors = Example().Anchors
		if complete, err = render(initial); err != nil {
			return nil, err
		}
	}
	if _, err := Parse("config.yaml", complete); err != nil {
		return nil, err
	}
	return file, nil
}

func render(initial Initial) ([]byte, error) {
	defaults := Default()
	if initial.Peers == "" {
		initial.Peers = defaults.Listen.Peers
	}
	if initial.Ops == "" {
		initial.Ops = defaults.Listen.Ops
	}
	t, err := template.New("config.yaml").Option("missingkey=error").Parse(templateText)
	if err != nil {
		return nil, fmt.Errorf("parse the template of the configuration: %w", err)
	}
	var file bytes.Buffer
	if err := t.Execute(&file, struct {
		Initial
		Roles string
	}{initial, roles()}); err != nil {
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	return file.Bytes(), nil
}
