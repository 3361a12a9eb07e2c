package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
)

func newConfigCommand(a *app) *cobra.Command {
	return newGroup(&cobra.Command{
		Use:     "config",
		Short:   "Check a configuration, or show an example of one",
		Long:    "Check the configuration of a node before it runs with it, or show one with every\nkey explained.",
		Example: "  doorstroom config check\n  doorstroom config example > config.yaml",
	}, newConfigCheckCommand(a), newConfigExampleCommand(a))
}

// configReport is what config check --json writes. A missing file is a warning:
// it may come later.
type configReport struct {
	File     string   `json:"file"`
	OK       bool     `json:"ok"`
	Errors   []string `json:"errors"`
	Warnings []string `json:"warnings"`
}

func newConfigCheckCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Say everything that is wrong in a configuration",
		Long: `Read a configuration as the node does, and say everything that is wrong in it,
each with its line. FILE is the configuration of the node if you leave it out.

Exit codes: 0 it is in order, 1 it is not.`,
		Example: `  doorstroom config check
  doorstroom config check /srv/doorstroom/config.yaml --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := a.configPath(cmd)
			if len(args) > 0 {
				path = args[0]
			}
			return a.checkConfig(path, asJSON)
		},
	}
	a.configFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func (a *app) checkConfig(path string, asJSON bool) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	report := configReport{File: path}
	c, err := config.Parse(path, data)
	switch {
	case gateway.KindOf(err) == gateway.Invalid:
		report.Errors = lines(gateway.SafeMessage(err))
	case err != nil:
		return err
	default:
		report.OK, report.Warnings = true, missingFiles(c)
	}
	if asJSON {
		err = writeJSON(a.stdout, report)
	} else {
		err = a.showConfigReport(report)
	}
	if err == nil && !report.OK {
		return errTold
	}
	return err
}

func (a *app) showConfigReport(r configReport) error {
	for _, line := range r.Errors {
		fmt.Fprintln(a.stderr, line)
	}
	for _, line := range r.Warnings {
		fmt.Fprintln(a.stdout, "warning:", line)
	}
	if r.OK {
		fmt.Fprintf(a.stdout, "%s is in order.\n", r.File)
	}
	return nil
}

// missingFiles are those that the node will look for.
func missingFiles(c config.Config) []string {
	named := []struct{ key, path string }{
		{"keys", filepath.Join(c.Keys, "signing.pem")}, {"register.file", c.Register.File},
		{"drop.folder", c.Drop.Folder}, {"drop.mapping", c.Drop.Mapping},
	}
	for _, path := range c.Policy.Files {
		named = append(named, struct{ key, path string }{"policy.files", path})
	}
	var missing []string
	for _, n := range named {
		if _, err := os.Stat(n.path); n.path != "" && err != nil {
			missing = append(missing, fmt.Sprintf("%s: there is no %s", n.key, n.path))
		}
	}
	return missing
}

func newConfigExampleCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Show a configuration with every key explained",
		Long:    "Show a configuration with every key that can stand in it, explained. Except for\nwhat is of one party, the values are the defaults.",
		Example: "  doorstroom config example > config.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			file, err := config.New(config.Example())
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(file)
			return err
		},
	}
}
