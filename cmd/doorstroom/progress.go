package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway/desk"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// showProgress publishes, and meanwhile tells a person who waits how far it is.
func (a *app) showProgress(ctx context.Context, client *rest.LocalClient, publish func() (desk.ImportReport, error)) (desk.ImportReport, error) {
	if !isTerminal(a.stderr) {
		return publish()
	}
	ctx, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { a.watchImport(ctx, client) })
	report, err := publish()
	stop()
	watching.Wait()
	return report, err
}

// watchImport keeps one line up to date until ctx ends, and takes it away. A
// caller who may not see the status sees no line.
func (a *app) watchImport(ctx context.Context, client *rest.LocalClient) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	width := 0
	for {
		select {
		case <-ctx.Done():
			if width > 0 {
				fmt.Fprintf(a.stderr, "\r%s\r", strings.Repeat(" ", width))
			}
			return
		case <-tick.C:
		}
		status, err := client.Status(ctx)
		if err != nil || status.Importing == nil {
			continue
		}
		line := progressLine(*status.Importing)
		width = max(width, len([]rune(line)))
		fmt.Fprintf(a.stderr, "\r%-*s", width, line)
	}
}

func progressLine(p desk.Progress) string {
	return fmt.Sprintf("%d van %d aanbiedingen klaargezet (%d%%)", p.Done, p.Total, 100*p.Done/max(1, p.Total))
}
