package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

func newJournalArchiveCommand(a *app) *cobra.Command {
	var until, file string
	cmd := &cobra.Command{
		Use:   "archive",
		Short: "Write a part of the journal to a file that verifies without the node",
		Long: `Write the entries from the first that is not past its term up to the end of a
day to a file, with the hashes of what came before and with the signed heads of
the journal and their cosignatures. The archive ends at the last head before the
end of that day, or at the last that a witness has cosigned.

The node keeps these entries until they are past the term of journal.retention:
archive them before that if they must be kept longer.`,
		Example: `  doorstroom journal archive --until 2026-12-31 -o journal-2026.archive
  doorstroom journal verify --archive journal-2026.archive`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if until == "" || file == "" {
				return usagef("give --until and --output")
			}
			_, end, err := dayRange{until: until}.bounds()
			if err != nil {
				return err
			}
			head, err := ask(a, cmd, func(ctx context.Context, client *rest.LocalClient) (head journal.Archive, err error) {
				err = fillFile(file, func(w io.Writer) error {
					head, err = fetchArchive(ctx, client, rest.ArchiveRequest{Until: end}, w)
					return err
				})
				return head, err
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Wrote %d entries to %s\nKey: %s\n", head.Size-head.From, file, head.Key)
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&until, "until", "", "until the end of this day, such as 2026-12-31")
	cmd.Flags().StringVarP(&file, "output", "o", "", "the file to write; it must not exist")
	return cmd
}

func fetchArchive(ctx context.Context, client *rest.LocalClient, r rest.ArchiveRequest, w io.Writer) (head journal.Archive, err error) {
	for {
		part, err := client.ArchiveJournal(ctx, r)
		if err != nil {
			return head, err
		}
		if part.Head != nil {
			if err := json.Unmarshal(*part.Head, &head); err != nil {
				return head, fmt.Errorf("read the head of the archive: %w", err)
			}
			head.Notes = part.Notes
			if err := head.WriteHead(w); err != nil {
				return head, err
			}
		}
		for _, leaf := range part.Leaves {
			if err := journal.WriteRecord(w, []byte(leaf)); err != nil {
				return head, err
			}
		}
		if r.Page = part.More; r.Page == "" {
			return head, nil
		}
	}
}

// fillFile writes a new file, for its owner only, which is there when all of it
// is.
func fillFile(name string, write func(io.Writer) error) (err error) {
	if _, err := os.Lstat(name); err == nil {
		return gateway.Errorf(gateway.Conflict, "the file %s is there already: choose another name", name)
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return gateway.Wrap(gateway.Invalid, err, "the file "+name+" cannot be written")
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	buffered := bufio.NewWriter(f)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// archiveReport is what verifying an archive found.
type archiveReport struct {
	Origin      string `json:"origin"`
	Key         string `json:"key"` // base64, that signed the heads
	From        uint64 `json:"from"`
	Size        uint64 `json:"size"`
	Entries     uint64 `json:"entries"`
	Checkpoints int    `json:"checkpoints"`
	Cosigned    int    `json:"cosigned"` // signatures of others under the last head
}

// verifyArchive verifies a file alone. With a key it must be that of the file.
func verifyArchive(file, key string) (report archiveReport, err error) {
	f, err := os.Open(file)
	if err != nil {
		return report, gateway.Wrap(gateway.NotFound, err, "cannot read the archive "+file)
	}
	defer f.Close()
	err = journal.ReadArchive(f, func(archive journal.Archive) ([]journal.Checkpoint, error) {
		report = archiveReport{Origin: archive.Origin, Key: archive.Key, From: archive.From, Size: archive.Size}
		if key != "" && key != archive.Key {
			return nil, gateway.Errorf(gateway.Invalid, "the archive is signed with another key than the one given")
		}
		public, err := base64.StdEncoding.DecodeString(archive.Key)
		if err != nil || len(public) != ed25519.PublicKeySize {
			return nil, gateway.Errorf(gateway.Invalid, "the archive names no key")
		}
		var all []journal.Checkpoint
		for _, note := range archive.Notes {
			c, err := journal.Open([]byte(note), archive.Origin, public)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
			report.Cosigned = strings.Count(note, "\n\u2014 ") - strings.Count(note, "\n\u2014 "+archive.Origin+" ")
		}
		report.Checkpoints = len(all)
		return all, nil
	}, func(uint64, []byte) error { report.Entries++; return nil })
	return report, err
}

func (a *app) showArchive(file, key string, asJSON bool) error {
	report, err := verifyArchive(file, key)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(a.stdout, report)
	}
	fmt.Fprintf(a.stdout, "The archive verifies: entries %d up to %d, %d signed heads, %s under the last.\n",
		report.From, report.Size-1, report.Checkpoints, count(report.Cosigned, "cosignature", "cosignatures"))
	fmt.Fprintf(a.stdout, "Journal: %s\nKey: %s\n", report.Origin, report.Key)
	if key == "" {
		fmt.Fprintln(a.stdout, "The key is the one the file names. Compare it with that of the node, or give it with --key.")
	}
	return nil
}
