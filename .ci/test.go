// Command test runs `go test` and adds one rule: a test that is skipped without
// being listed in .ci/skips.txt is a failure. A test that nobody runs looks
// exactly like one that passes.
//
// It prints what failed, the closing line of every package and a summary.
// Usage: go run .ci/test.go [arguments of go test]
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output
	Test       string
	Output     string
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	allowed, err := readSkips(".ci/skips.txt")
	if err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		return 2
	}
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		return 2
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		return 2
	}
	r := report{w: os.Stdout, output: map[string][]string{}}
	readErr := r.read(out)
	testErr := cmd.Wait()
	forbidden := slices.DeleteFunc(r.skipped, func(name string) bool { return slices.Contains(allowed, name) })
	for _, name := range forbidden {
		fmt.Printf("SKIPPED %s\n\tskipping is allowed only for the tests in .ci/skips.txt\n", name)
	}
	fmt.Printf("%d tests passed, %d failed, %d skipped without leave\n", r.passed, r.failed, len(forbidden))
	switch {
	case readErr != nil:
		fmt.Fprintln(os.Stderr, "test:", readErr)
		return 2
	case testErr != nil:
		fmt.Println("FAIL:", testErr)
		return 1
	case len(forbidden) > 0 || r.failed > 0:
		fmt.Println("FAIL")
		return 1
	case r.passed == 0:
		fmt.Println("FAIL: no test ran")
		return 1
	}
	fmt.Println("ok")
	return 0
}

// readSkips reads one "package test" or "package test: command" per line, and
// leaves out those whose command succeeds; # starts a comment.
func readSkips(name string) ([]string, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		line, command, _ := strings.Cut(line, ":")
		if words := strings.Fields(command); len(words) > 0 && exec.Command(words[0], words[1:]...).Run() == nil {
			continue
		}
		if fields := strings.Fields(line); len(fields) > 0 {
			names = append(names, strings.Join(fields, " "))
		}
	}
	return names, nil
}

// report collects the events of one run.
type report struct {
	w              io.Writer
	output         map[string][]string // by "package test", until its end is known
	passed, failed int
	skipped        []string
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if jsonErr := json.Unmarshal(line, &e); jsonErr != nil {
				fmt.Fprintf(r.w, "%s", line) // what go prints before it knows any test
			} else {
				r.add(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

func (r *report) add(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.w, e.Output)
	case "output":
		r.output[name] = append(r.output[name], e.Output)
	case "pass", "fail", "skip":
		r.end(e, name)
	}
}

func (r *report) end(e event, name string) {
	output := r.output[name]
	delete(r.output, name)
	if e.Test == "" {
		r.packageEnd(e, output)
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped = append(r.skipped, name)
	case "fail":
		r.failed++
		fmt.Fprint(r.w, strings.Join(output, ""))
	}
}

// packageEnd prints the closing line of a package. Of one that failed it prints
// all, with what tests said that never came to an end: a panic or a timeout.
func (r *report) packageEnd(e event, output []string) {
	if e.Action == "fail" {
		for name, unfinished := range r.output {
			if strings.HasPrefix(name, e.Package+" ") {
				fmt.Fprint(r.w, strings.Join(unfinished, ""))
				delete(r.output, name)
			}
		}
		fmt.Fprint(r.w, strings.Join(output, ""))
		return
	}
	for _, line := range output {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "?") || strings.HasPrefix(line, "---") {
			fmt.Fprint(r.w, line)
		}
	}
}
