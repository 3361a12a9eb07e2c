package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

const (
	configEnv = "DOORSTROOM_CONFIG"
	tokenEnv  = "DOORSTROOM_TOKEN_FILE"
)

// app is what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	verbose    bool
	configFlag string
	tokenFlag  string
	ran        bool // a command began its work: what goes wrong after that is not wrong use
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "doorstroom",
		Short: "Exchange places to work and learn between leerwerkbedrijven and gemeenten",
		Long: `Doorstroom is a gateway between leerwerkbedrijven and gemeenten. Each party runs
a node; a node sends each other party what its policy file allows, and nothing
else.

Exit codes:
  0  done
  1  it failed
  2  the command was used wrongly
  3  done in part: rows were bad, an import is held, questions are open, the
     doctor warns, or two policies differ
  4  the node is not running or does not answer
  5  the caller may not do this`,
		Example: `  doorstroom init --party 00000099000000001000 --name Voorbeeld \
    --kind leerwerkbedrijf --endpoint https://node.voorbeeld.example:8443 --phone "078 000 00 00"
  doorstroom run
  doorstroom publish aanbod.csv
  doorstroom status
  doorstroom doctor`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "show the cause of errors too")
	root.AddCommand(
		newInitCommand(a), newRunCommand(a), newPublishCommand(a), newOffersCommand(a), newPlacesCommand(a), newStatusCommand(a),
		newRegisterCommand(a), newPolicyCommand(a), newConfigCommand(a), newAdapterCommand(a), newJournalCommand(a),
		newBackupCommand(a), newRestoreCommand(a), newDoctorCommand(a), newBreakGlassCommand(a), newReferralsCommand(a), newSubjectCommand(a), newAllotmentsCommand(a), newRetentionCommand(a), newEventsCommand(a), newDemoCommand(a), newVersionCommand(a),
	)
	a.mark(root)
	return root
}

// mark makes every command say when it begins: errors before that are of cobra,
// about the command line.
func (a *app) mark(cmd *cobra.Command) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.ran = true
			return inner(cmd, args)
		}
	}
	for _, child := range cmd.Commands() {
		a.mark(child)
	}
}

// newGroup is a command that only holds others.
func newGroup(cmd *cobra.Command, children ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(children...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, child := range children {
			names = append(names, child.Name())
		}
		return usagef("there is no command %q; there are: %s", args[0], strings.Join(names, ", "))
	}
	return cmd
}

// configFlags lets a command name the configuration.
func (a *app) configFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.configFlag, "config", node.ConfigFile, "configuration of the node; also "+configEnv)
}

// nodeFlags is for commands that ask things of the running node.
func (a *app) nodeFlags(cmd *cobra.Command) {
	a.configFlags(cmd)
	cmd.Flags().StringVar(&a.tokenFlag, "token-file", "",
		"file with your token (default: "+node.TokenFile+" beside the configuration); also "+tokenEnv)
}

func jsonFlag(cmd *cobra.Command, on *bool) {
	cmd.Flags().BoolVar(on, "json", false, "write one JSON document, with times in UTC")
}

// configPath is the flag, else the environment, else config.yaml here.
func (a *app) configPath(cmd *cobra.Command) string {
	if env := os.Getenv(configEnv); env != "" && !cmd.Flags().Changed("config") {
		return env
	}
	return a.configFlag
}

func (a *app) loadConfig(cmd *cobra.Command) (config.Config, error) {
	path := a.configPath(cmd)
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrPermission):
		return config.Config{}, gateway.Wrap(gateway.Denied, err, "the system does not let this user look for the configuration "+path+": run this as the user of the node")
	case err != nil:
		return config.Config{}, gateway.Wrap(gateway.NotFound, err,
			"there is no configuration "+path+": make a node with doorstroom init, or name its configuration with --config")
	}
	return config.Load(path)
}

// client is for the node of the configuration. The caller closes it.
func (a *app) client(cmd *cobra.Command) (*rest.LocalClient, config.Config, error) {
	c, err := a.loadConfig(cmd)
	if err != nil {
		return nil, c, err
	}
	path := a.tokenFlag
	if path == "" {
		path = os.Getenv(tokenEnv)
	}
	if path == "" {
		path = filepath.Join(filepath.Dir(a.configPath(cmd)), node.TokenFile)
	}
	token, err := node.ReadToken(path)
	if gateway.KindOf(err) == gateway.NotFound {
		err = gateway.Wrap(gateway.NotFound, err, "there is no token "+path+": name the file with yours with --token-file")
	}
	if err != nil {
		return nil, c, err
	}
	return rest.NewLocalClient(c.Local.Socket, token), c, nil
}

// ask does one thing with the running node.
func ask[T any](a *app, cmd *cobra.Command, what func(context.Context, *rest.LocalClient) (T, error)) (T, error) {
	client, _, err := a.client(cmd)
	if err != nil {
		var none T
		return none, err
	}
	defer client.Close()
	return what(cmd.Context(), client)
}
