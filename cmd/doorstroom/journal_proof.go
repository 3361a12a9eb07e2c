package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/rest"
	"github.com/doorstroom/doorstroom/gateway/witness"
)

func newJournalProofCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "proof ENTRY",
		Short: "Write a proof that an entry stands in the journal",
		Long: `Write a proof that the entry with this number stands in the journal: the entry
itself, the way from it to a head of the journal, and the signatures of this
party and its witnesses under that head. Whoever has the register can check it
with doorstroom journal check-proof, without this node and without network.

The proof holds the entry: names of fields, codes, counts and parties, no values.`,
		Example: `  doorstroom journal proof 1042 > proof.json
  doorstroom journal proof 1042 --out proof.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			entry, err := strconv.ParseUint(args[0], 10, 63)
			if err != nil {
				return usagef("ENTRY is the number of an entry; doorstroom journal list shows them")
			}
			proof, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (witness.Proof, error) {
				return client.ProveEntry(ctx, entry)
			})
			if err != nil {
				return err
			}
			if out == "" {
				return writeJSON(a.stdout, proof)
			}
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return gateway.Wrap(gateway.Conflict, err, "cannot write "+out+": it must not exist yet")
			}
			if err := cmp.Or(writeJSON(f, proof), f.Close()); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Written: %s, with %s\n", out, gateway.Count(len(proof.Keys)-1, "cosignature", "cosignatures"))
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "file to write, which must not exist yet (default: standard output)")
	return cmd
}

// checkedProof is what check-proof --json writes.
type checkedProof struct {
	Party     gateway.OIN        `json:"party"`
	Name      string             `json:"name"`
	Index     uint64             `json:"index"`
	Entry     journal.Entry      `json:"entry"`
	Size      uint64             `json:"size"`
	KID       string             `json:"kid"`
	Witnesses []witness.ProofKey `json:"witnesses"`
	Register  uint64             `json:"register"`
	Trusted   bool               `json:"registerTrusted"` // by --anchor
}

func newJournalCheckProofCommand(a *app) *cobra.Command {
	var file string
	var anchors []string
	var need int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check-proof FILE",
		Short: "Check a proof of an entry of somebody's journal",
		Long: `Check a proof that doorstroom journal proof made, by the register of participants
and nothing else. It tells what the entry says, whose journal it is in, and which
parties had cosigned the head that covers it.

The keys come from the register, so it must be the right one: give the ids of the
keys that sign it with --anchor, or compare its hash by other means.`,
		Example: `  doorstroom journal check-proof proof.json --register register.jws
  doorstroom journal check-proof proof.json --register register.jws \
    --anchor NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			reg, err := readRegister(file, anchors)
			if err != nil {
				return err
			}
			data, err := os.ReadFile(args[0])
			if err != nil {
				return gateway.Wrap(gateway.NotFound, err, "cannot read "+args[0])
			}
			var proof witness.Proof
			if err := json.Unmarshal(data, &proof, json.RejectUnknownMembers(true)); err != nil {
				return gateway.Wrap(gateway.Invalid, err, args[0]+" is no proof of an entry")
			}
			checked, err := witness.CheckProof(proof, reg)
			if err != nil {
				return err
			}
			party, _ := reg.Party(proof.Party)
			result := checkedProof{
				proof.Party, party.Name, proof.Entry, checked.Entry, checked.Size, checked.KID,
				append([]witness.ProofKey{}, checked.Witnesses...), reg.Version(), len(anchors) > 0,
			}
			if asJSON {
				err = writeJSON(a.stdout, result)
			} else {
				a.showChecked(result, reg)
			}
			if n := len(checked.Witnesses); err == nil && n < need {
				err = gateway.Errorf(gateway.Invalid, "the entry stands in the journal, but %s cosigned it and --witnesses asks for %d: its party could still have rewritten it", gateway.Count(n, "witness", "witnesses"), need)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&file, "register", "register.jws", "the signed register of participants")
	f.StringSliceVar(&anchors, "anchor", nil, "ids of the keys that sign the register (default: believe its own signers)")
	f.IntVar(&need, "witnesses", 1, "how many other parties must have cosigned")
	jsonFlag(cmd, &asJSON)
	return cmd
}

// readRegister verifies a register by anchors, or else by its own signers, which
// only tells that it is whole.
func readRegister(file string, anchors []string) (*register.Register, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, gateway.Wrap(gateway.NotFound, err, "cannot read the register "+file)
	}
	if len(anchors) > 0 {
		return register.Parse(data, anchors)
	}
	reg, err := register.Restore(data)
	if err != nil {
		return nil, err
	}
	for _, s := range reg.Document().Signers {
		anchors = append(anchors, s.Key.KID)
	}
	return register.Parse(data, anchors)
}

func (a *app) showChecked(c checkedProof, reg *register.Register) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	say("The proof holds: entry %d of the journal of %s (%s).", c.Index, clip(c.Name, 0), c.Party)
	e := journalEntryOf(c.Index, c.Entry)
	say("  %s  %s  %s  %s", when(c.Entry.Time), c.Entry.Kind, clip(journalParty(e), 0), clip(journalDetail(e), 0))
	say("  signed over %s with key %s", gateway.Count(c.Size, "entry", "entries"), c.KID)
	for _, w := range c.Witnesses {
		p, _ := reg.Party(w.Party)
		say("  cosigned by %s (%s), %s, with key %s", clip(p.Name, 0), w.Party, when(w.Time), w.KID)
	}
	if len(c.Witnesses) == 0 {
		say("  cosigned by nobody")
	}
	say("  by register version %d, SHA-256 %s", c.Register, reg.Hash())
	if !c.Trusted {
		say("  that register was not verified: compare its hash, or use --anchor")
	}
}

// journalEntryOf is an entry as lists show it.
func journalEntryOf(index uint64, e journal.Entry) rest.JournalEntry {
	return rest.JournalEntry{
		Index: index, Time: e.Time, Kind: e.Kind, Party: e.Party, Recipients: e.Recipients, Fields: slices.Clone(e.Fields), Count: e.Count,
		Policy: e.Policy, Rule: e.Rule, Rules: e.Rules, Register: e.Register, Outcome: e.Outcome, Reason: e.Reason,
	}
}
