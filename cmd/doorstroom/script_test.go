package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gt "github.com/doorstroom/doorstroom/gateway/gatewaytest"
	"github.com/rogpeppe/go-internal/testscript"
)

const raceEnv = "GORACE" // options of the race detector

// TestMain lets the test binary be doorstroom itself, so that scripts run real
// processes. Under the race detector each of these would wait a second before
// it ends, were it not told otherwise.
func TestMain(m *testing.M) {
	if err := os.Setenv(raceEnv, "atexit_sleep_ms=0 "+os.Getenv(raceEnv)); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"doorstroom": main})
}

// TestScripts runs testdata/script/*.txtar. Beside the commands of testscript
// they have
//
//	exits CODE PROGRAM ARG…      runs a program, which must end with that code
//	eventually RE PROGRAM ARG…   runs it until its output matches; with ! until it does not
//	capture VAR RE               puts what the parentheses of RE match in the last output in VAR
//	replace FILE OLD NEW         changes text in a file
//
// and in HOST an address of this machine that nobody else uses, and in PORT1 to
// PORT6 ports on which nobody listens.
func TestScripts(t *testing.T) {
	ports := newPorts(t)
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOST", ports.host)
			for i := range 6 {
				port, err := ports.free()
				if err != nil {
					return err
				}
				env.Setenv("PORT"+strconv.Itoa(i+1), strconv.Itoa(port))
			}
			env.Setenv(raceEnv, os.Getenv(raceEnv))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "eventually": eventually, "capture": capture, "replace": replace,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// ports gives each port once, also to scripts that run side by side. They lie
// below those that systems give to outgoing connections, and below those of
// scenarios. What listens on host cannot meet what other processes start between
// the choice of a port and its use; what listens on all addresses could.
type ports struct {
	host  string
	mu    sync.Mutex
	taken map[int]bool // guarded by mu
}

func newPorts(t *testing.T) *ports {
	t.Helper()
	host, _, err := net.SplitHostPort(gt.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return &ports{host: host, taken: map[int]bool{}}
}

func (p *ports) free() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 1000 {
		port := 11000 + rand.IntN(9000)
		l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil || p.taken[port] {
			continue
		}
		p.taken[port] = true
		return port, nil
	}
	return 0, errors.New("no free port on this machine")
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	err = ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got, err = exit.ExitCode(), nil
	}
	ts.Check(err)
	if got != want {
		ts.Fatalf("got exit code %d, want %d", got, want)
	}
}

// eventually waits two minutes at most: machines may be busy, and slow under
// the race detector.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: eventually RE PROGRAM ARG…")
	}
	want := regexp.MustCompile(args[0])
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && want.MatchString(ts.ReadFile("stdout")) != neg {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("still so after two minutes:\n%s%s", ts.ReadFile("stdout"), ts.ReadFile("stderr"))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture VAR RE")
	}
	found := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("the last output does not match")
	}
	ts.Setenv(args[0], found[1])
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[1]) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.ReplaceAll(text, args[1], args[2])), 0o644))
}

// output runs the program within the test process.
func output(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}
