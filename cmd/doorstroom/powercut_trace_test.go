package main_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
)

// call is one system call of a trace.
type call struct {
	name     string
	on       string // the file or socket that it is about, as strace -yy shows it
	path     string // of a call on names; the new name of a rename
	from     string // the old name of a rename
	data     []byte // that was written or read
	offset   int64  // of a write, or the size that a file is cut or extended to
	flags    string
	result   int64
	skipped  bool // strace put a result in place of the call
	args     string
	finished bool
}

// event is the moment at which a call begins or returns. strace lets a call go
// on only after it has written that it begins, and its caller only after it has
// written that it has returned. So what happened because of something else comes
// after it in the trace, also in another process.
type event struct {
	*call
	returned bool
}

// readTrace reads what `strace -f -xx -yy` wrote.
func readTrace(in io.Reader) ([]event, error) {
	var events []event
	open := map[string]*call{} // by thread
	lines := bufio.NewReaderSize(in, 1<<20)
	for number := 1; ; number++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		thread, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		some, err := readLine(open, thread, strings.TrimLeft(rest, " "))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		events = append(events, some...)
	}
}

func readLine(open map[string]*call, thread, line string) ([]event, error) {
	if strings.HasPrefix(line, "+++") || strings.HasPrefix(line, "---") {
		return nil, nil
	}
	if rest, ok := strings.CutPrefix(line, "<... "); ok {
		_, rest, _ = strings.Cut(rest, " resumed>")
		c := open[thread]
		if c == nil {
			return nil, fmt.Errorf("a call goes on that never began: %.80s", line)
		}
		delete(open, thread)
		if _, ok := leftOpen(rest); ok {
			return nil, nil // killed in it
		}
		c.args += rest
		return []event{{c, true}}, c.finish()
	}
	name, args, ok := strings.Cut(line, "(")
	if !ok {
		return nil, fmt.Errorf("not understood: %.80s", line)
	}
	c := &call{name: name, args: args}
	if before, ok := leftOpen(args); ok {
		c.args = before
		open[thread] = c
		err := c.begin()
		if err != nil && strings.Contains(args, "<detached ...>") {
			return nil, nil // killed before strace had seen what it was about, so before it was let go on
		}
		return []event{{c, false}}, err
	}
	return []event{{c, false}, {c, true}}, c.finish()
}

// leftOpen is a line without what strace writes when another thread comes between,
// or, as "detached", when the process is killed while its call is being written.
func leftOpen(line string) (before string, ok bool) {
	for _, mark := range []string{"<unfinished ...>", "<detached ...>"} {
		if before, _, ok := strings.Cut(line, mark); ok {
			return strings.TrimSuffix(before, " "), true
		}
	}
	return line, false
}

// finish reads the arguments and the result: "ARGS) = RESULT …".
func (c *call) finish() error {
	end := strings.LastIndex(c.args, ") = ")
	if end < 0 {
		return fmt.Errorf("%s: no end in %.80s", c.name, c.args)
	}
	after := c.args[end+len(") = "):]
	c.args = c.args[:end]
	result, _, _ := strings.Cut(after, " ")
	result, _, _ = strings.Cut(result, "<")
	if result == "?" { // the process ended in it
		c.result = -1
		return c.begin()
	}
	var err error
	if c.result, err = strconv.ParseInt(result, 0, 64); err != nil {
		return fmt.Errorf("%s: result %q", c.name, after)
	}
	c.skipped, c.finished = strings.HasSuffix(after, "(INJECTED)"), true
	err = c.begin()
	if c.name == "pwrite64" || c.name == "write" { // of less: it was killed
		c.finished = c.result == int64(len(c.data))
	}
	return err
}

// begin reads the arguments as far as they are known.
func (c *call) begin() (err error) {
	args := strings.Split(strings.TrimRight(c.args, " ,"), ", ")
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	get := func(value string, e error) string {
		if e != nil && err == nil {
			err = fmt.Errorf("%s: %w", c.name, e)
		}
		return value
	}
	number := func(i int) int64 {
		n, e := strconv.ParseInt(arg(i), 0, 64)
		get("", e)
		return n
	}
	switch c.name {
	case "openat":
		c.path, c.flags = get(quoted(arg(1))), arg(2)
	case "mkdirat", "unlinkat":
		c.path = get(quoted(arg(1)))
	case "renameat", "renameat2":
		c.from, c.path = get(quoted(arg(1))), get(quoted(arg(3)))
	case "write", "read":
		c.on = get(decorated(arg(0)))
		if c.name == "write" || c.finished && c.result > 0 {
			c.data = []byte(get(quoted(arg(1))))
		}
	case "pwrite64":
		c.on, c.data, c.offset = get(decorated(arg(0))), []byte(get(quoted(arg(1)))), number(3)
	case "ftruncate":
		c.on, c.offset = get(decorated(arg(0))), number(1)
	case "fallocate":
		c.on, c.flags, c.offset = get(decorated(arg(0))), arg(1), number(2)+number(3)
	case "fsync", "fdatasync":
		c.on = get(decorated(arg(0)))
	default:
		return nil // looked at by disk.unknown
	}
	c.args = ""
	if !c.finished {
		c.args = strings.Join(args, ", ") + ", " // goes on in another line
	}
	return err
}

// decorated is what stands in the brackets of 7<…>.
func decorated(fd string) (string, error) {
	_, name, ok := strings.Cut(fd, "<")
	end := strings.LastIndex(name, ">")
	if !ok || end < 0 {
		return "", nil // of a descriptor that is not open
	}
	return unhex(name[:end])
}

// unhex reads \x2f\x74 wherever it stands.
func unhex(s string) (string, error) {
	if !strings.HasPrefix(s, `\x`) {
		return s, nil
	}
	s, _, _ = strings.Cut(s, "<") // of a device: the number follows
	b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	return string(b), err
}

// hexed is the other way.
func hexed(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return b.String()
}

func quoted(s string) (string, error) {
	inner, ok := strings.CutPrefix(s, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !ok || !closed {
		return "", fmt.Errorf("not a whole string: %.40s", s)
	}
	return unhex(inner)
}

// TestTraceOfAKilled reads what strace leaves of calls during which a process was
// killed.
func TestTraceOfAKilled(t *testing.T) {
	file, data := "5<"+hexed("/node.db")+">", `"`+hexed("page")+`"`
	for name, test := range map[string]struct {
		trace string
		want  []string
	}{
		"another thread between": {"1 pwrite64(" + file + ", " + data + ", 4, 0 <unfinished ...>\n1 <... pwrite64 resumed>) = 4\n", []string{"begins", "returns"}},
		"killed in the call":     {"1 pwrite64(" + file + ", " + data + ", 4, 0 <unfinished ...>\n1 <... pwrite64 resumed> <unfinished ...>\n", []string{"begins"}},
		"killed as it began":     {"1 pwrite64(" + file + ", " + data + ", 4, 0 <detached ...>\n1 +++ killed by SIGKILL +++\n", []string{"begins"}},
		"killed before it began": {"1 pwrite64(" + file + ",  <detached ...>\n", nil},
		"memory already gone":    {"1 pwrite64(" + file + ", 0xc000123000, 4, 0 <detached ...>\n", nil},
	} {
		events, err := readTrace(strings.NewReader(test.trace))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, e := range events {
			if e.on != "/node.db" || string(e.data) != "page" {
				t.Errorf("%s: got %q written to %q, want page to /node.db", name, e.data, e.on)
			}
			got = append(got, map[bool]string{false: "begins", true: "returns"}[e.returned])
		}
		if strings.Join(got, " ") != strings.Join(test.want, " ") {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
