package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/adapters"
	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/publication"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/schemas"
)

// publishOptions are the flags of publish.
type publishOptions struct {
	mapping, source        string
	partial, confirm, drop bool
	dryRun, asJSON         bool
}

func newPublishCommand(a *app) *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish [FILE...]",
		Short: "Publish an export of your administration",
		Long: `Read one or more exports, CSV or Excel, and publish the offers in them. Offers
that did not change are not sent again. Several files count as one export.

A row with something wrong in it is reported, and the last good version of its
offer stays. An export is taken to hold all your offers: what is no longer in it
is withdrawn. If so many would vanish that it looks like a mistake, nothing is
done: the import is held. Look at it, then say publish --confirm or publish
--drop, without a file.

The mapping says which column is what: --mapping, else <name>.mapping.yaml beside
the first file, else drop.mapping of the configuration. doorstroom adapter map
makes one.

Exit codes: 0 all is well, 3 some rows were bad or the import is held, 2 wrong
use; see doorstroom --help for the others.`,
		Example: `  doorstroom publish aanbod.csv
  doorstroom publish aanbod.xlsx --mapping koppeling.yaml --dry-run
  doorstroom publish --confirm
  doorstroom publish --drop --source admin`,
		RunE: func(cmd *cobra.Command, files []string) error {
			if err := o.check(cmd, files); err != nil {
				return err
			}
			switch {
			case len(files) == 0:
				return a.settleHeld(cmd, o)
			case o.dryRun:
				return a.dryRun(cmd, o, files)
			}
			return a.publish(cmd, o, files)
		},
	}
	a.nodeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.mapping, "mapping", "", "file that says which column is what")
	f.StringVar(&o.source, "source", "", "name of the export, which the next one of that name replaces (default: drop.source of the configuration)")
	f.BoolVar(&o.partial, "partial", false, "these are not all offers: withdraw nothing")
	f.BoolVar(&o.confirm, "confirm", false, "publish also if many offers vanish; without a file: publish what is held")
	f.BoolVar(&o.drop, "drop", false, "forget what is held; nothing changes for anybody")
	f.BoolVar(&o.dryRun, "dry-run", false, "only read the files and say what is wrong in them")
	jsonFlag(cmd, &o.asJSON)
	cmd.MarkFlagsMutuallyExclusive("confirm", "drop", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("partial", "drop")
	return cmd
}

func (o publishOptions) check(cmd *cobra.Command, files []string) error {
	switch {
	case len(files) > 0 && o.drop:
		return usagef("--drop forgets what is held: it takes no file")
	case len(files) > 0:
		return nil
	case !o.confirm && !o.drop:
		return usagef("name the file to publish, or say --confirm or --drop about what is held")
	}
	for _, flag := range []string{"mapping", "partial"} {
		if cmd.Flags().Changed(flag) {
			return usagef("--%s is about a file: name one", flag)
		}
	}
	return nil
}

func (a *app) publish(cmd *cobra.Command, o publishOptions, files []string) error {
	client, c, err := a.client(cmd)
	if err != nil {
		return err
	}
	defer client.Close()
	imp, err := readExports(cmd.Context(), c, o, files)
	if err != nil {
		return err
	}
	report, err := a.showProgress(cmd.Context(), client, func() (desk.ImportReport, error) {
		return client.Publish(cmd.Context(), imp, o.confirm)
	})
	if err != nil {
		return err
	}
	return a.showReport(cmd.Context(), client, report, o.asJSON)
}

// dryRunReport is what publish --dry-run found.
type dryRunReport struct {
	Source   string               `json:"source"`
	Full     bool                 `json:"full"`
	Offers   int                  `json:"offers"` // good ones
	Problems []gateway.RowProblem `json:"problems"`
}

func (a *app) dryRun(cmd *cobra.Command, o publishOptions, files []string) error {
	c, err := a.loadConfig(cmd)
	if err != nil {
		return err
	}
	imp, err := readExports(cmd.Context(), c, o, files)
	if err != nil {
		return err
	}
	if o.asJSON {
		err = writeJSON(a.stdout, dryRunReport{imp.Source, imp.Full, len(imp.Offers), imp.Problems})
	} else {
		fmt.Fprintf(a.stdout, "Proef: %s goed; er is niets doorgegeven.\n", gateway.Count(len(imp.Offers), "aanbieding is", "aanbiedingen zijn"))
		for _, p := range imp.Problems {
			fmt.Fprintln(a.stdout, p.Text())
		}
	}
	if err == nil && anyBad(imp.Problems) {
		return errPartly
	}
	return err
}

// settleHeld confirms or drops what waits.
func (a *app) settleHeld(cmd *cobra.Command, o publishOptions) error {
	client, _, err := a.client(cmd)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := cmd.Context()
	if o.source == "" {
		if o.source, err = onlyHeld(ctx, client); err != nil {
			return err
		}
	}
	if o.confirm {
		report, err := a.showProgress(ctx, client, func() (desk.ImportReport, error) { return client.ConfirmImport(ctx, o.source) })
		if err != nil {
			return err
		}
		return a.showReport(ctx, client, report, o.asJSON)
	}
	if err := client.DropImport(ctx, o.source); err != nil {
		return err
	}
	if o.asJSON {
		return writeJSON(a.stdout, rest.Source{Source: o.source})
	}
	fmt.Fprintf(a.stdout, "De vastgehouden import van %s is vergeten; er is niets veranderd.\n", o.source)
	return nil
}

// onlyHeld is the one source of which an import is held.
func onlyHeld(ctx context.Context, client *rest.LocalClient) (string, error) {
	status, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	var held []string
	for _, i := range status.Imports {
		if len(i.Held) > 0 {
			held = append(held, i.Source)
		}
	}
	switch len(held) {
	case 0:
		return "", gateway.Errorf(gateway.NotFound, "no import is held")
	case 1:
		return held[0], nil
	}
	return "", usagef("more than one import is held; say which with --source: %s", strings.Join(held, ", "))
}

// readExports reads files as one export.
func readExports(ctx context.Context, c config.Config, o publishOptions, files []string) (gateway.Import, error) {
	mapping, err := readMapping(c, o.mapping, files[0])
	if err != nil {
		return gateway.Import{}, err
	}
	lists, err := gateway.LoadCodeLists(schemas.FS())
	if err != nil {
		return gateway.Import{}, err
	}
	options := adapters.Options{
		Mapping: mapping, Provider: c.Party, Lists: lists, Day: gateway.DateOf(time.Now()), Source: c.Drop.Source,
	}
	if o.source != "" {
		options.Source = o.source
	}
	all := gateway.Import{Source: options.Source, Full: !o.partial}
	for _, file := range files {
		imp, err := adapters.Read(ctx, file, options)
		if err != nil {
			return gateway.Import{}, fmt.Errorf("read export: %w", err)
		}
		all.Full = all.Full && imp.Full
		all.Offers = append(all.Offers, imp.Offers...)
		all.Problems = append(all.Problems, imp.Problems...)
	}
	return all, nil
}

func readMapping(c config.Config, named, export string) (adapters.Mapping, error) {
	path := named
	if path == "" {
		path = siblingMapping(export)
		if _, err := os.Stat(path); err != nil {
			path = c.Drop.Mapping
		}
	}
	if path == "" {
		return adapters.Mapping{}, gateway.Errorf(gateway.NotFound,
			"there is no mapping for this file: make one with doorstroom adapter map %s, or name one with --mapping", export)
	}
	data, err := readFile(path)
	if err != nil {
		return adapters.Mapping{}, err
	}
	return adapters.ParseMapping(path, data)
}

// siblingMapping is where the mapping of an export lies unless somebody says
// otherwise.
func siblingMapping(export string) string {
	return strings.TrimSuffix(export, filepath.Ext(export)) + ".mapping.yaml"
}

func anyBad(problems []gateway.RowProblem) bool {
	return slices.ContainsFunc(problems, func(p gateway.RowProblem) bool { return !p.Warning })
}

// showReport is in Dutch, for the office: what became of an import, and what
// policy kept from whom.
func (a *app) showReport(ctx context.Context, client *rest.LocalClient, report desk.ImportReport, asJSON bool) error {
	if asJSON {
		if err := writeJSON(a.stdout, report); err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.stdout, report.Text())
		if len(report.Denied) > 0 {
			a.showDenials(partyNames(ctx, client), report.Denied)
		}
	}
	if len(report.Held) > 0 || anyBad(report.Problems) {
		return errPartly
	}
	return nil
}

// showDenials puts offers together that one rule keeps from the same parties.
func (a *app) showDenials(names map[gateway.OIN]string, denied []publication.Denial) {
	offers := map[string][]string{}
	var order []string
	for _, d := range denied {
		var to []string
		for _, oin := range d.Recipients {
			to = append(to, nameOf(names, oin))
		}
		why := "geen regel toont het aan"
		if d.Rule != "default" {
			why = "regel " + d.Rule + " houdt het weg van"
		}
		key := why + " " + strings.Join(to, ", ")
		if offers[key] == nil {
			order = append(order, key)
		}
		offers[key] = append(offers[key], d.Offers...)
	}
	limit := 60
	if !isTerminal(a.stdout) {
		limit = 0
	}
	fmt.Fprintln(a.stdout, "Volgens het beleid niet getoond:")
	for _, key := range order {
		fmt.Fprintf(a.stdout, "  %s: %s\n", clip(strings.Join(offers[key], ", "), limit), key)
	}
}

// partyNames are for reading only: without them OINs are shown.
func partyNames(ctx context.Context, client *rest.LocalClient) map[gateway.OIN]string {
	names := map[gateway.OIN]string{}
	status, err := client.Status(ctx)
	if err != nil {
		return names
	}
	for _, p := range status.Peers {
		names[p.OIN] = p.Name
	}
	names[status.Party] = status.Name
	return names
}

func nameOf(names map[gateway.OIN]string, oin gateway.OIN) string {
	if name := names[oin]; name != "" {
		return clip(name, 0)
	}
	return string(oin)
}
