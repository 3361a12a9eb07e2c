package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/register"
	"github.com/doorstroom/doorstroom/gateway/seal"
)

const registerName = "register.jws"

func newRegisterKeyCommand(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key for somebody who signs registers",
		Long: `Make a key for a registrar in FILE, which only its owner can read, and its public
part in FILE with .public.json after it. Only needed where more than one signs:
register init makes the key of the first.`,
		Example: `  doorstroom register key deputy.pem --name "Gemeente Voorbeeld"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			signer, err := makeSigner(args[0], name, time.Now())
			if err != nil {
				return err
			}
			data, err := json.Marshal(signer)
			if err != nil {
				return fmt.Errorf("encode signer: %w", err)
			}
			if err := writeFile(args[0]+".public.json", append(data, '\n'), false); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Made the key %s in %s: keep it secret.\nGive %s.public.json to the registrar.\n", signer.Key.KID, args[0], args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "organ that signs, such as GRS secretariaat; not a person")
	_ = cmd.MarkFlagRequired("name") // fails only for a flag that does not exist
	return cmd
}

// makeSigner makes the key in path.
func makeSigner(path, name string, now time.Time) (register.Signer, error) {
	key, err := seal.GenerateKey()
	if err != nil {
		return register.Signer{}, err
	}
	if err := identity.WriteSecret(path, key.PEM()); err != nil {
		return register.Signer{}, err
	}
	return register.Signer{Name: name, Key: key.Public(now)}, nil
}

func newRegisterInitCommand(a *app) *cobra.Command {
	var keyFile, name, output string
	var others []string
	var threshold int
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Start a register: the draft of version 1",
		Long: `Start a register without parties. --signer-key is where the key of the registrar
is; it is made if there is none. Others who sign give you the public part of
theirs: see register key.`,
		Example: `  doorstroom register init --signer-key registrar.pem --name "GRS secretariaat"
  doorstroom register init --signer-key registrar.pem --name "GRS secretariaat" \
    --signer deputy.pem.public.json --threshold 2`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := os.Stat(output); err == nil { // before a key is made for nothing
				return gateway.Errorf(gateway.Conflict, "there is a file %s already: name another with --output", output)
			}
			now := time.Now()
			first, err := readSigner(keyFile, name, now)
			if err != nil {
				return err
			}
			signers := []register.Signer{first}
			for _, file := range others {
				var s register.Signer
				if err := readJSON(file, &s); err != nil {
					return err
				}
				signers = append(signers, s)
			}
			if threshold == 0 {
				threshold = len(signers)/2 + 1
			}
			if err := writeDraft(output, register.New(signers, threshold, now), false); err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Made %s, a draft of version 1 without parties.\n", output)
			for _, s := range signers {
				fmt.Fprintf(a.stdout, "  signer %s  %s\n", s.Key.KID, clip(s.Name, 0))
			}
			fmt.Fprintf(a.stdout, "Participants put these ids in register.anchors: read them out by telephone.\n"+
				"Next: doorstroom register add --register %s PARTY.json\n", output)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&keyFile, "signer-key", "", "key of the registrar; made if there is none")
	f.StringVar(&name, "name", "", "organ that signs, such as GRS secretariaat; not a person")
	f.StringArrayVar(&others, "signer", nil, "public part of the key of another who signs; more than once if there are more")
	f.IntVar(&threshold, "threshold", 0, "how many must sign the next version (default: more than half)")
	f.StringVarP(&output, "output", "o", registerName, "where to write the draft")
	for _, required := range []string{"signer-key", "name"} {
		_ = cmd.MarkFlagRequired(required) // fails only for a flag that does not exist
	}
	return cmd
}

// readSigner reads a registrar's key, or makes it.
func readSigner(path, name string, now time.Time) (register.Signer, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return makeSigner(path, name, now)
	}
	key, err := readKey(path)
	if err != nil {
		return register.Signer{}, err
	}
	return register.Signer{Name: name, Key: key.Public(now)}, nil
}

func readKey(path string) (*seal.Key, error) {
	pem, err := identity.ReadSecret(path)
	if err != nil {
		return nil, err
	}
	return seal.ParseKey(pem)
}

// readJSON reads strictly: what is not understood is refused, not lost.
func readJSON(path string, into any) error {
	data, err := readFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into, json.RejectUnknownMembers(true)); err != nil {
		return gateway.Wrap(gateway.Invalid, err, path+" is not what it should be, or was cut off")
	}
	return nil
}

func writeDraft(path string, doc register.Document, replace bool) error {
	file, err := register.Encode(doc)
	if err != nil {
		return err
	}
	return writeFile(path, file, replace)
}

// draft is what add, remove and renew have in common: a register in a file, and
// where what becomes of it goes.
type draft struct{ register, output string }

func (d *draft) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.register, "register", registerName, "register to start from")
	cmd.Flags().StringVarP(&d.output, "output", "o", "", "where to write the draft (default: a draft in its own place, else register-<version>.jws beside the register)")
}

// edit changes a draft, or makes the draft of the next version; then it shows
// the parties that are new, and where the draft is. change is told nothing of
// versions.
func (d draft) edit(a *app, change func(register.Document) (register.Document, error), parties ...gateway.Party) error {
	file, err := readFile(d.register)
	if err != nil {
		return err
	}
	current, err := register.Restore(file)
	if err != nil {
		return err
	}
	signed, err := signatures(file)
	if err != nil {
		return err
	}
	doc, output, replace := current.Document(), d.register, true
	if len(signed) > 0 {
		if len(signed) < doc.Threshold {
			return gateway.Errorf(gateway.Conflict, "version %d has %d of %d signatures: have it signed first", doc.Version, len(signed), doc.Threshold)
		}
		doc = register.NextOf(current, time.Now())
		output, replace = filepath.Join(filepath.Dir(d.register), fmt.Sprintf("register-%d.jws", doc.Version)), false
	}
	if d.output != "" {
		output, replace = d.output, false
	}
	if doc, err = change(doc); err != nil {
		return err
	}
	if err := writeDraft(output, doc, replace); err != nil {
		return err
	}
	for _, p := range parties {
		showParty(a.stdout, p)
	}
	fmt.Fprintf(a.stdout, "Wrote %s, a draft of version %d with %s, valid until %s.\nNext: doorstroom register sign --key KEY %s\n",
		output, doc.Version, gateway.Count(len(doc.Parties), "party", "parties"), when(doc.ValidUntil), output)
	return nil
}

func newRegisterAddCommand(a *app) *cobra.Command {
	var d draft
	cmd := &cobra.Command{
		Use:   "add PARTY.json...",
		Short: "Put parties in a draft of the register",
		Long: `Put the entries that parties sent, the party.json that doorstroom init made, in
a register, in the place of entries with the same OIN. A draft is changed; of a
signed register the draft of the next version is made.

Before you sign: call each party at a number you know, and compare the key ids.`,
		Example: `  doorstroom register add --register register.jws smile/party.json dordrecht/party.json`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var parties []gateway.Party
			for _, file := range args {
				var p gateway.Party
				if err := readJSON(file, &p); err != nil {
					return err
				}
				parties = append(parties, p)
			}
			return d.edit(a, func(doc register.Document) (register.Document, error) {
				for _, p := range parties {
					doc = register.Add(doc, p)
				}
				return doc, nil
			}, parties...)
		},
	}
	d.flags(cmd)
	return cmd
}

func newRegisterRemoveCommand(a *app) *cobra.Command {
	var d draft
	cmd := &cobra.Command{
		Use:   "remove OIN...",
		Short: "Take parties out of a draft of the register",
		Long: `Take parties out of a register. A draft is changed; of a signed register the
draft of the next version is made.`,
		Example: `  doorstroom register remove --register register.jws 00000099000000001000`,
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return d.edit(a, func(doc register.Document) (register.Document, error) {
				before := len(doc.Parties)
				for _, oin := range args {
					doc = register.Remove(doc, gateway.OIN(oin))
				}
				if len(doc.Parties) != before-len(args) {
					return doc, gateway.Errorf(gateway.NotFound, "the register does not have all of these parties: %s", strings.Join(args, ", "))
				}
				return doc, nil
			})
		},
	}
	d.flags(cmd)
	return cmd
}

func newRegisterRenewCommand(a *app) *cobra.Command {
	var d draft
	cmd := &cobra.Command{
		Use:     "renew",
		Short:   "Make the draft of the next version without other changes",
		Long:    "Make the draft of the next version of a signed register, with the same parties,\nvalid for a year from now.",
		Example: `  doorstroom register renew --register register-4.jws`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return d.edit(a, func(doc register.Document) (register.Document, error) { return doc, nil })
		},
	}
	d.flags(cmd)
	return cmd
}

func newRegisterSignCommand(a *app) *cobra.Command {
	var keyFile string
	cmd := &cobra.Command{
		Use:   "sign FILE",
		Short: "Put your signature on a register",
		Long: `Put a signature on a register, in its own place. Look at it first: register show.
If more than one must sign, each signs the file that the one before gave.`,
		Example: `  doorstroom register sign --key registrar.pem register.jws`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			key, err := readKey(keyFile)
			if err != nil {
				return err
			}
			file, err := readFile(args[0])
			if err != nil {
				return err
			}
			if file, err = register.Sign(file, key); err != nil {
				return err
			}
			if err := writeFile(args[0], file, true); err != nil {
				return err
			}
			v, err := viewRegister(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Signed %s with %s; it has %s now.\n", args[0], key.KID(), gateway.Count(len(v.Signatures), "signature", "signatures"))
			if len(v.Signatures) < v.Threshold {
				fmt.Fprintf(a.stdout, "It needs %d. Next: doorstroom register sign --key ANOTHER-KEY %s\n", v.Threshold, args[0])
				return nil
			}
			fmt.Fprintf(a.stdout, "Next: doorstroom register verify --anchor %s %s\n", clip(strings.Join(v.Signatures, ","), 0), args[0])
			return nil
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "your key, made by register init or register key")
	_ = cmd.MarkFlagRequired("key") // fails only for a flag that does not exist
	return cmd
}

// verifySuccessor verifies file as the version after the register in previous,
// which is trusted as it is.
func verifySuccessor(previous string, file []byte) error {
	data, err := readFile(previous)
	if err != nil {
		return err
	}
	before, err := register.Restore(data)
	if err != nil {
		return err
	}
	_, err = register.Successor(before, file, time.Now())
	return err
}
