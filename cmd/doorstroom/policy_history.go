package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/policy"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newPolicyLogCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "log",
		Short: "List every policy that was in force: since when, and who agreed",
		Long: `List every policy that was in force at this node, the last one last: its version,
since when, how it was approved and by whom. The node keeps their files; see
policy at. Who had it loaded is a pseudonym, as in the journal.`,
		Example: "  doorstroom policy log\n  doorstroom policy log --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := ask(a, cmd, fetchPolicies)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(a.stdout, all)
			}
			if len(all) == 0 {
				fmt.Fprintln(a.stdout, "No policy has been in force yet.")
				return nil
			}
			var rows [][]string
			for _, p := range all {
				rows = append(rows, []string{
					strconv.FormatUint(p.Number, 10), when(p.Since), short(p.Version), p.Approval, p.Author, p.Approver, p.Caller,
				})
			}
			return writeTable(a.stdout, []column{
				{"#", 0}, {"SINCE", 16}, {"VERSION", 0}, {"APPROVAL", 10}, {"AUTHOR", 20}, {"APPROVER", 20}, {"LOADED BY", 16},
			}, rows)
		},
	}
	a.nodeFlags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

func fetchPolicies(ctx context.Context, client *rest.LocalClient) ([]rest.PolicyInForce, error) {
	return client.Policies(ctx)
}

func newPolicyAtCommand(a *app) *cobra.Command {
	var asJSON bool
	var folder string
	cmd := &cobra.Command{
		Use:   "at DATE",
		Short: "Show the policy that was in force on a day",
		Long: `Show the policy that was in force at the end of a day, or at a moment: its version
and its files as they were, comments included. DATE is 2026-11-22, or a moment
such as 2026-11-22T14:30, as the clock in the Netherlands has it.`,
		Example: `  doorstroom policy at 2026-11-22
  doorstroom policy at 2026-11-22T14:30 --output beleid-toen
  doorstroom policy at 2026-11-22 --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := moment(args[0])
			if err != nil {
				return err
			}
			all, err := ask(a, cmd, fetchPolicies)
			if err != nil {
				return err
			}
			found, ok := policyAt(all, at)
			switch {
			case !ok:
				return gateway.Errorf(gateway.NotFound, "no policy was in force then; see doorstroom policy log")
			case folder != "":
				return a.writePolicy(found, folder)
			case asJSON:
				return writeJSON(a.stdout, found)
			}
			fmt.Fprintf(a.stdout, "# policy %s\n# in force since %s\n", found.Version, when(found.Since))
			for _, f := range found.Files {
				fmt.Fprintf(a.stdout, "# --- %s\n%s", f.Name, f.Text)
			}
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVarP(&folder, "output", "o", "", "folder to write the files to; it must not hold files of these names")
	jsonFlag(cmd, &asJSON)
	cmd.MarkFlagsMutuallyExclusive("output", "json")
	return cmd
}

// policyAt is the last of all that came in force before a moment.
func policyAt(all []rest.PolicyInForce, at time.Time) (found rest.PolicyInForce, ok bool) {
	for _, p := range all {
		if p.Since.Before(at) {
			found, ok = p, true
		}
	}
	return found, ok
}

// moment reads a day, which is its end, or a minute in the Netherlands.
func moment(text string) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, gateway.Amsterdam()); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(layout, text, gateway.Amsterdam()); err == nil {
			return at.Add(time.Minute), nil
		}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.Add(time.Nanosecond), nil
	}
	return time.Time{}, usagef("%q is not a day such as 2026-11-22 or a moment such as 2026-11-22T14:30", text)
}

func (a *app) writePolicy(p rest.PolicyInForce, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fileError("make", folder, err)
	}
	for _, f := range p.Files {
		if err := writeFile(filepath.Join(folder, filepath.Base(f.Name)), []byte(f.Text), false); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stdout, "Wrote policy %s to %s\n", short(p.Version), folder)
	return nil
}

func newPolicyRollbackCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback [VERSION]",
		Short: "Put the files of an earlier policy back, and in force",
		Long: `Put the files of an earlier policy back in the place of the present ones, and
make the node read them: the policy whose version begins with VERSION, or the
one before the present one. What was in the files goes: it is kept by the node
if it was ever in force; see policy at.

An earlier policy comes in force by the same rules as a new one. Where two
persons must agree, they sign it again: see policy sign.`,
		Example: "  doorstroom policy rollback\n  doorstroom policy rollback 3f9a0c",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			version := append(args, "")[0]
			c, err := a.loadConfig(cmd)
			if err != nil {
				return err
			}
			back, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (rest.PolicyInForce, error) {
				return client.Rollback(ctx, version)
			})
			if err != nil {
				return err
			}
			if err := putBack(c, back); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "The files of policy %s are back.\n", short(back.Version))
			return a.reload(cmd, false)
		},
	}
	a.nodeFlags(cmd)
	return cmd
}

// putBack writes kept files over those of the configuration, which must have the
// same names: with more or fewer it would be another policy. What was expected of
// it then comes back with it, in the place of what is expected now.
func putBack(c config.Config, p rest.PolicyInForce) error {
	paths, missing := map[string]string{}, 0
	for _, path := range c.Policy.Files {
		paths[filepath.Base(path)] = path
		if beside := policy.ExpectationsOf(path); !policy.IsExpectations(path) {
			paths[filepath.Base(beside)] = beside
			missing++
		}
	}
	for _, f := range p.Files {
		if paths[f.Name] == "" {
			missing = -1
			break
		}
		if !policy.IsExpectations(f.Name) {
			missing--
		}
	}
	if missing != 0 {
		return gateway.Errorf(gateway.Conflict,
			"that policy was in other files: set policy.files in the configuration to those of doorstroom policy at --json")
	}
	for _, f := range p.Files {
		if err := writeFile(paths[f.Name], []byte(f.Text), true); err != nil {
			return err
		}
		delete(paths, f.Name)
	}
	for _, path := range paths { // expectations that are not of this policy
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fileError("remove", path, err)
		}
	}
	return nil
}
