package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/node"
)

// stats is what a node tells of itself when it is asked.
type stats struct {
	Ready    bool   `json:"ready,omitempty"` // said once, when everything listens
	At       int64  `json:"at"`              // Unix nanoseconds
	Accepted uint64 `json:"accepted"`        // messages in, as received
	Sent     uint64 `json:"sent"`            // messages out, settled
	Mark     bool   `json:"mark,omitempty"`  // said by itself, because Accepted or Sent changed; the rest is empty

	Superseded uint64 `json:"superseded,omitempty"`
	Refused    uint64 `json:"refused,omitempty"`
	Attempts   uint64 `json:"attempts,omitempty"` // batches
	Failures   uint64 `json:"failures,omitempty"`
	Commits    uint64 `json:"commits,omitempty"`
	FileBytes  int64  `json:"fileBytes,omitempty"`
	CPU        int64  `json:"cpu,omitempty"` // nanoseconds used by the process
}

// newNodeCommand is this program as a node: `doorstroom run`, and a wire to who
// started it. It ends when that wire does, so that no node is left behind.
func newNodeCommand(stdin io.Reader, stdout, stderr io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "node CONFIG", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(args[0])
			if err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			w := &wire{out: json.NewEncoder(stdout), stop: cancel}
			return node.Run(ctx, node.Options{
				Config: c, Log: log,
				Reread: func() (config.Config, error) { return config.Load(args[0]) },
			}, func(n *node.Node) {
				w.n = n
				s := w.stats()
				s.Ready = true
				w.say(s)
				// It ends with its input, and so at the latest with the process.
				go w.listen(stdin)
			})
		},
	}
}

// wire is the node's end of the wire.
type wire struct {
	n    *node.Node
	stop context.CancelFunc

	mu  sync.Mutex
	out *json.Encoder // guarded by mu
}

func (w *wire) say(s stats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.out.Encode(s); err != nil {
		w.stop()
	}
}

func (w *wire) stats() stats {
	c, usage := w.n.Exchange.Counters(), w.n.Store.Usage()
	return stats{
		At: time.Now().UnixNano(), Accepted: c.In.Received.Load(), Sent: c.Out.Received.Load(), Superseded: c.In.Superseded.Load(),
		Refused: c.In.Refused.Load(), Attempts: c.Attempts.Load(), Failures: c.Failures.Load(),
		Commits: usage.Commits, FileBytes: usage.FileBytes, CPU: cpuTime(),
	}
}

// listen obeys lines until there are no more: "stats", "watch <interval>",
// "profile <file>", "profile" to end it.
func (w *wire) listen(in io.Reader) {
	defer w.stop()
	watch := func() {}
	defer func() { watch() }()
	var profile *os.File
	for lines := bufio.NewScanner(in); lines.Scan(); {
		verb, rest, _ := strings.Cut(lines.Text(), " ")
		var err error
		switch verb {
		case "watch":
			watch()
			watch = func() {}
			if every, wrong := time.ParseDuration(rest); wrong == nil { // anything else ends it
				watch = w.watch(every)
			}
		case "profile":
			profile, err = toggle(profile, rest)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, verb, err)
			return
		}
		w.say(w.stats())
	}
}

// watch tells of every change until the function that it gives is called, which
// looks once more.
func (w *wire) watch(every time.Duration) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	c := w.n.Exchange.Counters()
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		var last stats
		for ending := false; ; {
			now := stats{Mark: true, Accepted: c.In.Received.Load(), Sent: c.Out.Received.Load()}
			if now != last {
				last = now
				now.At = time.Now().UnixNano()
				w.say(now)
			}
			if ending {
				return
			}
			select {
			case <-tick.C:
			case <-done:
				ending = true
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// toggle begins a profile in a file, or ends the one that runs.
func toggle(running *os.File, name string) (*os.File, error) {
	if running != nil {
		pprof.StopCPUProfile()
		return nil, running.Close()
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return file, pprof.StartCPUProfile(file)
}
