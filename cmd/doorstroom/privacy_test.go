package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPrivacyDocument does what docs/privacy.md shows, beside the region that it
// tells to start, and compares what comes out. There, … stands for any text, and
// a line of it for any lines.
func TestPrivacyDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), "docs", "privacy.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	startDemo(t, dir)
	var examples []example
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, line := range lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				examples = append(examples, example{command: command})
				continue
			}
			last := &examples[len(examples)-1]
			last.want = append(last.want, line)
		}
	}
	if len(examples) < 15 {
		t.Fatalf("found only %d examples", len(examples))
	}
	for i, got := range runAll(t, dir, examples) {
		if want := examples[i].want; !matches(want, lines(got)) {
			t.Errorf("$ %s\ngot\n%s\nwant\n%s", examples[i].command, got, strings.Join(want, "\n"))
		}
	}
}

// example is a command and what a document shows of what it prints.
type example struct {
	command string
	want    []string
}

// shortDir is a folder whose path leaves room for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ds-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// startDemo runs the region of Zoetermeer in the folder proef until the test ends.
func startDemo(t *testing.T, dir string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	cmd := exec.CommandContext(ctx, "doorstroom", "demo", "--scenario", "zoetermeer", "--dir", "proef")
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); _ = cmd.Wait() })
	read := bufio.NewScanner(out)
	for read.Scan() {
		if strings.HasPrefix(read.Text(), "Ctrl-C") {
			return
		}
	}
	t.Fatalf("the demo did not start: %v", read.Err())
}

// runAll runs the commands in one shell, and gives what each printed.
func runAll(t *testing.T, dir string, examples []example) []string {
	t.Helper()
	const mark = "=== the next command"
	var script strings.Builder
	for _, e := range examples {
		fmt.Fprintf(&script, "{ %s\n} 2>&1\necho; echo '%s'\n", e.command, mark)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script.String())
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	parts := strings.Split(string(out), "\n"+mark+"\n")
	return parts[:len(parts)-1]
}

// matches compares lines with a pattern of lines.
func matches(want, got []string) bool {
	if len(want) == 0 || want[0] == "…" {
		for skip := 0; skip <= len(got); skip++ {
			if len(want) == 0 {
				return strings.TrimSpace(strings.Join(got, "")) == ""
			}
			if len(want) == 1 || matches(want[1:], got[skip:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && matchesLine(want[0], got[0]) && matches(want[1:], got[1:])
}

func matchesLine(want, got string) bool {
	parts := strings.Split(want, "…")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + "$").MatchString(strings.TrimRight(got, " "))
}
