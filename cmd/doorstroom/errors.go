package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway"
)

// Exit codes; the help of the program lists them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitUnavailable = 4
	exitDenied      = 5
)

// errPartly is for what was done in part; what there is to do has been told.
var errPartly = errors.New("done in part")

// errTold is for a failure that has been told in full.
var errTold = errors.New("failed")

// usageError is a command that was used wrongly.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// report tells what went wrong, and gives the exit code for it.
func (a *app) report(cmd *cobra.Command, err error) int {
	if _, wrongUse := errors.AsType[usageError](err); wrongUse || !a.ran {
		first, _, _ := strings.Cut(err.Error(), "\n")
		fmt.Fprintf(a.stderr, "%s: %s; see %s --help\n", cmd.CommandPath(), first, cmd.CommandPath())
		return exitUsage
	}
	switch {
	case errors.Is(err, errPartly):
		return exitPartly
	case errors.Is(err, errTold):
		return exitFailed
	}
	for _, message := range messages(err) {
		if !strings.Contains(message, "\n") { // a list of problems stands by itself
			message = "doorstroom: " + message
		}
		fmt.Fprintln(a.stderr, message)
	}
	told := gateway.SafeMessage(err)
	if cause := strings.TrimPrefix(err.Error(), told+": "); a.verbose && cause != told {
		fmt.Fprintln(a.stderr, "cause:", cause)
	}
	switch gateway.KindOf(err) {
	case gateway.Unavailable:
		return exitUnavailable
	case gateway.Denied, gateway.Unauthenticated:
		return exitDenied
	}
	return exitFailed
}

// messages are what may be shown of an error and of all that were joined in it.
func messages(err error) []string {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, messages(e)...)
		}
		return all
	}
	if _, ok := errors.AsType[*gateway.Error](err); !ok {
		if errors.Is(err, context.Canceled) {
			return []string{"interrupted"}
		}
		return []string{"internal error; --verbose shows the cause"}
	}
	return []string{gateway.SafeMessage(err)}
}

// readFile reads a file that somebody named on the command line.
func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fileError("read", path, err)
	}
	return data, nil
}

// writeFile puts a file in place as a whole. Unless replace is set, a file that
// is there already is a Conflict.
func writeFile(path string, data []byte, replace bool) error {
	if _, err := os.Stat(path); err == nil && !replace {
		return gateway.Errorf(gateway.Conflict, "there is a file %s already", path)
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fileError("write", path, err)
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Chmod(0o644), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return fileError("write", path, errors.Join(err, os.Remove(temp.Name())))
	}
	return nil
}

func fileError(verb, path string, err error) error {
	reason := "the system refuses"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		reason = "no such file or folder"
	case errors.Is(err, fs.ErrPermission):
		reason = "permission denied"
	}
	return gateway.Wrap(gateway.NotFound, err, fmt.Sprintf("cannot %s %s: %s", verb, path, reason))
}
