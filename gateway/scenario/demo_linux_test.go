package scenario_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// TestNodesDoNotOutliveTheDemo kills the demo, which can then stop nothing.
func TestNodesDoNotOutliveTheDemo(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "demo", filepath.Join(t.TempDir(), "d"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := readUntil(t, out, "Ctrl-C")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	ports := regexp.MustCompile(`127\.0\.0\.1:[0-9]+`).FindAllString(text, -1)
	deadline := time.After(time.Minute)
	for _, p := range ports {
		for listens(p) {
			select {
			case <-deadline:
				t.Fatalf("somebody still listens on %s", p)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}
