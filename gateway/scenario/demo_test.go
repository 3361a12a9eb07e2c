package scenario_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/scenario"
)

// TestMain lets the test binary be the program that a demo runs: a node, or
// with "demo" the demo itself.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	var err error
	switch os.Args[1] {
	case "run": // run --config FILE
		err = runNode(os.Args[3])
	case "demo": // demo DIR
		err = runDemo(os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runNode(file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return node.Run(context.Background(), node.Options{Config: c, Log: log}, func(*node.Node) {})
}

func runDemo(dir string) error {
	s, err := scenario.Load("drechtsteden")
	if err != nil {
		return err
	}
	return scenario.Demo{Scenario: s, Dir: dir, Program: os.Args[0], Out: os.Stdout, Progress: os.Stderr}.Run(context.Background())
}

func demo(t *testing.T, out io.Writer) scenario.Demo {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return scenario.Demo{Scenario: load(t), Program: program, Out: out, Progress: t.Output()}
}

func TestDemoOnce(t *testing.T) {
	for _, name := range scenario.Names() {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			t.Setenv("TMPDIR", tmp)
			var out bytes.Buffer
			d := demo(t, &out)
			var err error
			if d.Scenario, err = scenario.Load(name); err != nil {
				t.Fatal(err)
			}
			d.Once = true
			if err := d.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile("testdata/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(out.String(), string(want)) {
				t.Errorf("the nodes hold otherwise than the files say:\n%s", out.String())
			}
			for _, audited := range []string{"Wie kan wat zien?", "Regel ", " meegetekend; ze zijn nog zo.", " van de kopie klopt niet."} {
				if !strings.Contains(out.String(), audited) {
					t.Errorf("got no %q in\n%s", audited, out.String())
				}
			}
			if name == "drechtsteden" {
				for _, told := range []string{
					"Kim: Gestart; nu aan Smile", "op de wachtlijst", "Sam: Op de wachtlijst; nu aan Smile",
					"Sam: alternatief: DW-02 bij Drechtwerk: 11,8 km fietsen", "in Sliedrecht", "Sam: Dordrecht geeft een plek op ma-ochtend vrij", "Sam: Geaccepteerd", "Robin: Annulering verzocht", "Robin: Beëindigd",
				} {
					if !strings.Contains(out.String(), told) {
						t.Errorf("got no %q in\n%s", told, out.String())
					}
				}
			}
			left, err := os.ReadDir(tmp)
			if err != nil {
				t.Fatal(err)
			}
			if len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestDemoTellsWhatIsMissing: where the three people cannot be shown as the scenario
// promises, the demo fails, and says what there is not.
func TestDemoTellsWhatIsMissing(t *testing.T) {
	full, err := load(t).WithFile("smile/aanbod.csv", ";15;12;5;5;5;4;5;3;", ";15;13;5;5;5;5;5;3;")
	if err != nil {
		t.Fatal(err)
	}
	const alblasserdam, molenlanden = "00000099000000003000", "00000099000000005000"
	for name, c := range map[string]struct {
		scenario *scenario.Scenario
		says     string
	}{
		"no alternative":    {load(t).WithStory(scenario.Story{By: alblasserdam, Elsewhere: "gm0523"}), "Sam heeft geen alternatief"},
		"nothing to refer":  {load(t).WithStory(scenario.Story{By: molenlanden, Elsewhere: "gm0610"}), "van de drie mensen die verwezen worden is niets getoond"},
		"nobody to release": {full, "niemand heeft op ma-ochtend een plek die vrijgegeven kan worden voor Sam"},
	} {
		d := demo(t, io.Discard)
		d.Scenario, d.Once = c.scenario, true
		if err := d.Run(t.Context()); gateway.KindOf(err) != gateway.Internal || !strings.Contains(gateway.SafeMessage(err), c.says) {
			t.Errorf("%s: got %v, want %q", name, err, c.says)
		}
	}
}

func TestDemoRunsUntilItIsStopped(t *testing.T) {
	reader, writer := io.Pipe()
	d := demo(t, writer)
	d.Dir = filepath.Join(t.TempDir(), "d")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		err := d.Run(ctx)
		writer.CloseWithError(io.EOF)
		ended <- err
	}()
	text := readUntil(t, reader, "Ctrl-C")
	go func() { _, _ = io.Copy(io.Discard, reader) }() // ends when Run has ended
	ports := regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindAllString(text, -1)
	if len(ports) != 3*len(d.Scenario.Members()) {
		t.Errorf("got %d addresses, want three for each node:\n%s", len(ports), text)
	}
	for _, p := range ports {
		if !listens(p) {
			t.Errorf("nobody listens on %s", p)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("got %v, want a clean end", err)
	}
	for _, p := range ports {
		if listens(p) {
			t.Errorf("somebody still listens on %s", p)
		}
	}
	if _, err := os.Stat(filepath.Join(d.Dir, "smile", "config.yaml")); err != nil {
		t.Errorf("the folder that was asked for is gone: %v", err)
	}
}

// readUntil reads what the demo writes up to a word.
func readUntil(t *testing.T, r io.Reader, word string) string {
	t.Helper()
	var text strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(text.String(), word) {
		n, err := r.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			t.Fatalf("the demo ended early:\n%s", text.String())
		}
	}
	return text.String()
}

func listens(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Minute)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

func TestDemoTellsWhyANodeDoesNotStart(t *testing.T) {
	d := demo(t, io.Discard)
	program := filepath.Join(t.TempDir(), "kapot")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho dit gaat mis >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.Program, d.Once = program, true
	err := d.Run(t.Context())
	if err == nil || gateway.KindOf(err) != gateway.Unavailable || !strings.Contains(err.Error(), "dit gaat mis") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v, want how the node ended and what it wrote", err)
	}
}

func TestDemoStopsWhenToldSoWhileItStarts(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := demo(t, io.Discard).Run(ctx); err == nil {
		t.Error("got no error, want that nothing was shown")
	}
}
