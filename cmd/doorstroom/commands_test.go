package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the generated files anew")

// commands lists every command of the program that is ours, with its path.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		all = append(all, cmd)
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(newRootCommand(&app{}))
	if len(all) < 30 {
		t.Fatalf("found only %d commands", len(all))
	}
	return all
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, cmd := range commands(t) {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || len(cmd.Short) > 80 {
			t.Errorf("%s: got Short %q, want one line without a full stop", path, cmd.Short)
		}
		if cmd.Example == "" {
			t.Errorf("%s: has no Example", path)
		}
		for _, line := range lines(cmd.Example) {
			if !strings.HasPrefix(line, "  ") || len(line) > 100 {
				t.Errorf("%s: example %q is not indented by two, or too long", path, line)
			}
		}
		for _, line := range lines(cmd.Long) {
			if len(line) > 82 {
				t.Errorf("%s: help line %q does not fit a terminal", path, line)
			}
		}
		for _, example := range invocations(cmd.Example) {
			if err := fits(example); err != nil {
				t.Errorf("%s: example %q: %v", path, strings.Join(example, " "), err)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s: has no description", path, f.Name)
			}
		})
		code, stdout, _ := output(t, append(strings.Fields(path)[1:], "--help")...)
		if code != exitOK || !strings.Contains(stdout, "Usage:") || !strings.Contains(stdout, "Examples:") {
			t.Errorf("%s --help: got exit code %d and %q", path, code, stdout)
		}
	}
}

// Whatever lists or reports can do so for a program too.
func TestListingsHaveJSON(t *testing.T) {
	without := []string{ // they make something, or only hold others
		"", "init", "run", "break-glass", "break-glass end", "break-glass acknowledge", "demo", "config", "config example", "adapter", "journal", "places", "places none", "policy", "register",
		"subject",
		"register key", "register init", "register add", "register remove", "register renew", "register sign",
		"journal archive", "journal export", "journal proof", "referrals", "referrals erase", "allotments", "retention", "events", "events test-webhook", "policy approve", "policy propose", "policy refuse", "policy withdraw", "policy key", "policy rollback", "policy sign",
	}
	for _, cmd := range commands(t) {
		path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "doorstroom"), " ")
		if got, want := cmd.Flags().Lookup("json") != nil, !slices.Contains(without, path); got != want {
			t.Errorf("%s: got --json %t, want %t", path, got, want)
		}
	}
}

// invocations finds the commands in an example or a fenced block: lines that
// begin with doorstroom, continued ones taken together, up to what the shell
// does with them.
func invocations(text string) [][]string {
	text = strings.ReplaceAll(text, "\\\n", " ")
	var found [][]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		line = strings.TrimPrefix(line, "$ ")
		line = strings.TrimPrefix(line, "sudo -u doorstroom ")
		rest, ok := strings.CutPrefix(line, "doorstroom ")
		if !ok {
			continue
		}
		var args []string
		for _, word := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(rest, -1) {
			if slices.Contains([]string{">", "2>", "|", "&&", "&", "#"}, word) {
				break
			}
			args = append(args, strings.Trim(word, `"`))
		}
		found = append(found, args)
	}
	return found
}

// fits tells whether a command line names a command and flags that exist.
func fits(args []string) error {
	cmd, rest, err := newRootCommand(&app{}).Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if cmd.HasSubCommands() && cmd.Flags().NArg() > 0 {
		return fmt.Errorf("%s has no command %q", cmd.CommandPath(), cmd.Flags().Arg(0))
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	if cmd.Name() == "init" && cmd.Flags().Lookup("phone") != nil && !cmd.Flags().Changed("phone") && !cmd.Flags().Changed("email") {
		return errors.New("init needs --phone or --email")
	}
	return cmd.ValidateRequiredFlags()
}

func TestFitsNotices(t *testing.T) {
	for _, test := range []struct {
		line string
		ok   bool
	}{
		{"doorstroom status --json", true},
		{"$ doorstroom publish a.csv > out", true},
		{"doorstroom statsu", false},
		{"doorstroom policy chekc", false},
		{"doorstroom status --jsno", false},
		{"doorstroom register sign x.jws", false},
		{"doorstroom register install", false},
		{"doorstroom init --party 1 --name N --kind grs --endpoint https://n.example", false},
	} {
		found := invocations(test.line)
		if len(found) != 1 {
			t.Fatalf("%s: got %d commands, want 1", test.line, len(found))
		}
		if err := fits(found[0]); (err == nil) != test.ok {
			t.Errorf("%s: got %v, want ok %t", test.line, err, test.ok)
		}
	}
}

// What documents tell people to type exists.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	top := filepath.Join("..", "..")
	names, err := filepath.Glob(filepath.Join(top, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if readme := filepath.Join(top, "README.md"); exists(readme) {
		names = append(names, readme)
	}
	block := regexp.MustCompile("(?s)```(?:console|sh|shell)\n(.*?)```")
	seen := 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, fenced := range block.FindAllSubmatch(text, -1) {
			for _, args := range invocations(string(fenced[1])) {
				seen++
				if err := fits(args); err != nil {
					t.Errorf("%s: doorstroom %s: %v", name, strings.Join(args, " "), err)
				}
			}
		}
	}
	if seen < 10 {
		t.Errorf("found only %d commands in documents", seen)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// TestGeneratedCommands holds docs/commands.md to the help of the program.
func TestGeneratedCommands(t *testing.T) {
	name := filepath.Join("..", "..", "docs", "commands.md")
	want := reference(commands(t))
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the help of the program: make generate", name)
	}
}

func reference(all []*cobra.Command) []byte {
	var b bytes.Buffer
	b.WriteString("# Commands\n\nMade from the program's own help by `make generate`; `doorstroom --help` shows the same.\n")
	for _, cmd := range all {
		text := cmd.Long
		if text == "" {
			text = cmd.Short + "."
		}
		fmt.Fprintf(&b, "\n## %s\n\n```\n%s\n\nUsage: %s\n", cmd.CommandPath(), text, strings.TrimSpace(cmd.UseLine()))
		if flags := cmd.LocalFlags().FlagUsages(); flags != "" {
			fmt.Fprintf(&b, "\n%s", flags)
		}
		fmt.Fprintf(&b, "```\n\n```console\n%s\n```\n", dedent(cmd.Example))
	}
	return b.Bytes()
}

func dedent(text string) string {
	var all []string
	for _, line := range lines(text) {
		all = append(all, strings.TrimPrefix(line, "  "))
	}
	return strings.Join(all, "\n")
}
