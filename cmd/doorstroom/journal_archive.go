package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

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
					head, err = client.WriteArchive(ctx, rest.ArchiveRequest{Until: end}, w)
					return err
				})
				return head, err
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "Wrote %s to %s\nKey: %s\n", gateway.Count(head.Size-head.From, "entry", "entries"), file, head.Key)
			return nil
		},
	}
	a.nodeFlags(cmd)
	cmd.Flags().StringVar(&until, "until", "", "until the end of this day, such as 2026-12-31")
	cmd.Flags().StringVarP(&file, "output", "o", "", "the file to write; it must not exist")
	return cmd
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

func (a *app) showArchive(file, key string, asJSON bool) error {
	f, err := os.Open(file)
	if err != nil {
		return gateway.Wrap(gateway.NotFound, err, "cannot read the archive "+file)
	}
	defer f.Close()
	report, err := journal.VerifyArchive(f, key)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(a.stdout, report)
	}
	fmt.Fprintf(a.stdout, "The archive verifies: entries %d up to %d, %d signed heads, %s under the last.\n",
		report.From, report.Size-1, report.Checkpoints, gateway.Count(report.Cosigned, "cosignature", "cosignatures"))
	fmt.Fprintf(a.stdout, "Journal: %s\nKey: %s\n", report.Origin, report.Key)
	if key == "" {
		fmt.Fprintln(a.stdout, "The key is the one the file names. Compare it with that of the node, or give it with --key.")
	}
	return nil
}
