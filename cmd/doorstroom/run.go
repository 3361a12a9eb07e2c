package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/node"
)

func newRunCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the node",
		Long: `Run the node until it is told to stop: Ctrl-C or SIGTERM. On SIGHUP it reads
configuration, register file and policy again; what cannot be read leaves what
is in force as it was.

The log goes to standard error. It holds no personal data.`,
		Example: `  doorstroom run
  doorstroom run --config /srv/doorstroom/config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			path := a.configPath(cmd)
			level := new(slog.LevelVar)
			level.Set(logLevel(c.Log))
			options := node.Options{
				Config: c, Log: newLog(a.stderr, c.Log, level),
				Reread: func() (config.Config, error) {
					next, err := config.Load(path)
					if err == nil {
						level.Set(logLevel(next.Log))
					}
					return next, err
				},
			}
			return node.Run(cmd.Context(), options, func(*node.Node) { a.announce(c, path) })
		},
	}
	a.configFlags(cmd)
	return cmd
}

func logLevel(c config.Log) slog.Level {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return slog.LevelInfo // Load has checked it
	}
	return level
}

func newLog(w io.Writer, c config.Log, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// announce says where the node is to be found.
func (a *app) announce(c config.Config, path string) {
	fmt.Fprintf(a.stdout, "The node of %s (%s) runs.\n", c.Name, c.Party)
	for _, at := range []struct{ what, address string }{
		{"other nodes", c.Listen.Peers},
		{"API description", c.Listen.Public},
		{"health and metrics", c.Listen.Ops},
		{"this machine", c.Local.Socket},
	} {
		if at.address != "" {
			fmt.Fprintf(a.stdout, "  %-19s %s\n", at.what, at.address)
		}
	}
	if c.Drop.Folder != "" {
		fmt.Fprintf(a.stdout, "  %-19s %s\n", "drop folder", c.Drop.Folder)
	}
	fmt.Fprintf(a.stdout, "Ask it how it stands: doorstroom status --config %s\nCtrl-C stops it.\n", path)
}
