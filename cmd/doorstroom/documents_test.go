package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// top is the folder of the project.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestDocumentsNameTestsThatExist: a threat whose test was renamed away looks as
// well guarded as any other.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	have := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir(top(t), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range function.FindAllSubmatch(source, -1) {
			have[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(top(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range append(documents, filepath.Join(top(t), "README.md"), filepath.Join(top(t), "SECURITY.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile("`((?:Test|Fuzz)[^`]*)`").FindAllSubmatch(text, -1) {
			seen++
			if !have[string(found[1])] {
				t.Errorf("%s: there is no test %s", filepath.Base(name), found[1])
			}
		}
	}
	if seen < 20 {
		t.Errorf("found only %d tests in documents", seen)
	}
}

// TestReadme does what the README says under "A node of your own", line by line
// in one shell, on other ports.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(top(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## A node of your own\n")
	section, _, ends := strings.Cut(section, "\n| you are |")
	if !found || !ends {
		t.Fatal("the section is not there")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", readmeScript(t, section))
	cmd.Dir = shortDir(t)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // the shell stops the nodes
	cmd.WaitDelay = 20 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Made a node for Smile", "draft of version 1 with 2 parties", "Ingelezen: ", "register  version 1, current",
		"Besluit: dit mag", "What others offer:\n", "Smile  SM-101  Groen in de wijk ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("got no %q in\n%s", want, out)
		}
	}
}

// readmeScript makes a script of the fenced blocks: what a reader types, and
// what a reader waits for.
func readmeScript(t *testing.T, section string) string {
	t.Helper()
	ports := newPorts(t)
	for _, port := range []string{"18443", "19443", "28443", "29443"} {
		free, err := ports.free()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(section, port) {
			t.Fatalf("the port %s is not used any more", port)
		}
		section = strings.ReplaceAll(section, port, fmt.Sprint(free))
	}
	section = strings.ReplaceAll(section, "127.0.0.1", ports.host)
	section = strings.ReplaceAll(section, "../gateway/", top(t)+"/gateway/")
	section = strings.ReplaceAll(section, "KEY-ID", `"$key"`)
	section = strings.ReplaceAll(section, "\\\n", " ")

	script := []string{"nodes=", `trap 'kill $nodes; wait' EXIT`, "trap 'exit 1' TERM"}
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for _, line := range lines(block[1]) {
			line, typed := strings.CutPrefix(line, "$ ")
			if !typed {
				t.Fatalf("%q is not a command", line)
			}
			switch {
			case strings.HasPrefix(line, "make "): // the program is in the path already
			case strings.HasPrefix(line, "doorstroom register init "):
				script = append(script, `key=$(`+line+` | sed -n 's/^  signer \([^ ]*\) .*/\1/p')`)
			case strings.HasSuffix(line, " &"):
				config := regexp.MustCompile(`--config \S+`).FindString(line)
				script = append(script, line, `nodes="$nodes $!"`, waitFor("doorstroom status "+config, "current"))
			case strings.HasPrefix(line, "doorstroom offers "):
				script = append(script, waitFor(line, "SM-101"), line)
			default:
				script = append(script, line)
			}
		}
	}
	return strings.Join(script, "\n")
}

func waitFor(command, text string) string {
	return "until " + command + " 2>/dev/null | grep -q " + text + "; do sleep 0.05; done"
}
