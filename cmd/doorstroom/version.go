package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/exchange"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// versionInfo is which program this is and what it speaks.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified,omitempty"` // built from a work tree with changes
	Go       string `json:"go"`
	Protocol int    `json:"protocol"` // between nodes
	API      string `json:"api"`      // of the peer and the local API
}

func newVersionCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Show the version of this program and of the protocol it speaks",
		Example: "  doorstroom version\n  doorstroom version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if asJSON {
				return writeJSON(a.stdout, v)
			}
			fmt.Fprintf(a.stdout, "doorstroom %s (protocol %d, API %s, %s)\n", v.Version, v.Protocol, v.API, v.Go)
			if v.Revision != "" {
				changed := ""
				if v.Modified {
					changed = ", with changes"
				}
				fmt.Fprintf(a.stdout, "revision %s of %s%s\n", v.Revision, v.Time, changed)
			}
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

func readVersion() versionInfo {
	v := versionInfo{Version: "(unknown)", Protocol: exchange.Protocol, API: rest.Version}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version, v.Go = build.Main.Version, build.GoVersion
	for _, s := range build.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
