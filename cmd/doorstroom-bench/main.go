// Command doorstroom-bench measures a leerwerkbedrijf and a gemeente that
// exchange offers: two nodes as they run in earnest, each a process of its own
// with its own keys, files and certificates, and this program as the admin that
// publishes through the local API. docs/performance.md says what each figure is.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program but for the process; the answer is the exit code: 1
// when something could not be measured, or when a message was lost or doubled.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRootCommand(stdin, stdout, stderr)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		report(stderr, err)
		return 1
	}
	return 0
}
