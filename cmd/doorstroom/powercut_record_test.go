package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/node"
)

// recording is everything that two nodes did with their files and sockets.
type recording struct {
	Sender, Receiver recordedNode
	Socket           string           // of the sender, on which publishes are acknowledged
	Address          string           // of the receiver, on which receipts go out
	States           []map[string]int // own offers of the sender before the first publish and after each
	events           []event          // of trace.log
}

type recordedNode struct {
	Root               string            // of the data folder
	Start, Killed, End map[string][]byte // what was in it before, when the process had been killed, and after
}

// record runs two nodes under one strace: publishes, changes of policy, and a
// process that is killed and comes back on each side. Everything is written to
// dir. Without syncing strace answers fsync and fdatasync in place of the
// kernel: the programme is the same to the last bit.
func record(t *testing.T, dir string, seed uint64, publishes int, syncing bool) recording {
	t.Helper()
	sender, receiver := twoMembers(t)
	r := recording{
		Sender: recordedNode{Root: sender.config.Data}, Receiver: recordedNode{Root: receiver.config.Data},
		Socket: sender.config.Local.Socket, Address: receiver.config.Listen.Peers, States: []map[string]int{{}},
	}
	r.Sender.Start, r.Receiver.Start = readFolder(t, r.Sender.Root), readFolder(t, r.Receiver.Root)
	l := &load{
		rng: rand.New(rand.NewPCG(seed, 2)), local: sender.local, policyFile: filepath.Join(sender.dir, node.PolicyFile),
		ledger: ledger{acknowledged: map[string]int{}},
	}
	must(t, l.writePolicy())
	s := strace(t, filepath.Join(dir, "trace.log"), syncing)
	s.start(t, receiver)
	s.start(t, sender)
	for i := range publishes {
		switch i {
		case publishes / 4:
			l.policy = 1
			must(t, l.writePolicy())
			_, err := l.local.Reload(t.Context())
			must(t, err)
		case publishes / 3:
			s.end(t, "KILL", receiver)
			r.Receiver.Killed = readFolder(t, r.Receiver.Root)
		case publishes/3 + 2:
			s.start(t, receiver)
		case publishes * 2 / 3:
			s.end(t, "KILL", sender)
			r.Sender.Killed = readFolder(t, r.Sender.Root)
			s.start(t, sender)
		}
		must(t, l.publish(t.Context()))
		r.States = append(r.States, maps.Clone(l.ledger.acknowledged))
	}
	delivered(t, sender, receiver)
	s.end(t, "TERM", sender)
	s.end(t, "TERM", receiver)
	s.close(t)
	r.Sender.End, r.Receiver.End = readFolder(t, r.Sender.Root), readFolder(t, r.Receiver.Root)
	saved, err := json.Marshal(r)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(dir, "recording.json"), saved, 0o600))
	return reread(t, dir)
}

// reread reads what record has written.
func reread(t *testing.T, dir string) (r recording) {
	t.Helper()
	saved, err := os.ReadFile(filepath.Join(dir, "recording.json"))
	must(t, err)
	must(t, json.Unmarshal(saved, &r))
	trace, err := os.Open(filepath.Join(dir, "trace.log"))
	must(t, err)
	defer trace.Close()
	r.events, err = readTrace(trace)
	must(t, err)
	return r
}

// delivered waits until nothing is under way from one to the other.
func delivered(t *testing.T, sender, receiver *member) {
	t.Helper()
	within(t, time.Minute, "nothing waits for the receiver", func() bool {
		status, err := sender.local.Status(t.Context())
		must(t, err)
		for _, p := range status.Peers {
			if p.OIN == receiver.party.OIN {
				return p.Queued+p.Held == 0
			}
		}
		return false
	})
}

// straced is a shell that strace follows with all that it starts.
type straced struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	pids map[*member]string

	complaints bytes.Buffer // read when cmd has ended
}

func strace(t *testing.T, log string, syncing bool) *straced {
	t.Helper()
	const modelled = "read,write,pwrite64,ftruncate,fallocate,fsync,fdatasync,openat,renameat,?renameat2,unlinkat,mkdirat"
	const others = "writev,pwritev,pwritev2,truncate,?creat,?open,?rename,?unlink,?mkdir,?link,linkat,?symlink,symlinkat," +
		"sendfile,copy_file_range,splice,sync_file_range,io_uring_setup,mmap"
	args := []string{"-f", "--seccomp-bpf", "-qq", "-xx", "-yy", "-a", "1", "-s", "10000000", "-o", log, "-e", "signal=none", "-e", "trace=" + modelled + "," + others}
	if !syncing {
		args = append(args, "-e", "inject=fsync,fdatasync:retval=0")
	}
	s := &straced{cmd: exec.Command("strace", append(args, "sh")...), pids: map[*member]string{}}
	s.cmd.Stderr = &s.complaints
	var err error
	s.in, err = s.cmd.StdinPipe()
	must(t, err)
	out, err := s.cmd.StdoutPipe()
	must(t, err)
	s.out = bufio.NewScanner(out)
	must(t, s.cmd.Start())
	t.Cleanup(func() {
		for _, pid := range s.pids {
			_ = exec.Command("kill", "-9", pid).Run() // a test that failed half-way
		}
		_ = s.in.Close()
		_ = s.cmd.Wait()
	})
	return s
}

// say gives the shell a line and returns the line that it answers.
func (s *straced) say(t *testing.T, line string) string {
	t.Helper()
	_, err := io.WriteString(s.in, line+"\n")
	must(t, err)
	if !s.out.Scan() {
		t.Fatalf("the traced shell ended: %v\n%s", s.out.Err(), s.complaints.String())
	}
	return s.out.Text()
}

// start starts a node and waits until it answers.
func (s *straced) start(t *testing.T, m *member) {
	t.Helper()
	program, err := exec.LookPath("doorstroom")
	must(t, err)
	s.pids[m] = s.say(t, fmt.Sprintf("%q run --config %q >/dev/null 2>>%q & echo $!", program, m.configFile(), m.logFile()))
	within(t, time.Minute, m.party.Name+" answers", func() bool {
		status, err := m.local.Status(t.Context())
		return err == nil && status.Register.Version > 0
	})
}

func (s *straced) end(t *testing.T, signal string, m *member) {
	t.Helper()
	s.say(t, fmt.Sprintf("kill -%s %s; wait %[2]s; echo $?", signal, s.pids[m]))
	delete(s.pids, m)
}

func (s *straced) close(t *testing.T) {
	t.Helper()
	must(t, s.in.Close())
	must(t, s.cmd.Wait())
}

// acknowledgement is something that left a node at an event, and that no power
// cut after it may undo.
type acknowledgement struct {
	at      int
	message string // that the receiver confirmed; empty: a publish
}

// acknowledgements finds when promises left, in their order.
//
// A publish is acknowledged by the status line on the local socket, which is
// not encrypted. That moment is exact: the beginning of the write.
//
// Receipts go over TLS, so they are found from the other side. When the sender
// begins to write to its database that a message was delivered, it has read the
// receipt. It reads nothing else from the receiver in between, since it has one
// request under way at a time. So the receipt was in the last write of the
// receiver that came before the sender's last read, on the same connection, or
// in an earlier one. What is found is never before the true moment, and nearly
// always it is the true one: a receipt held against the disk too late could
// hide a loss, one held against it too early would cry wolf.
func (r recording) acknowledgements() (all []acknowledgement) {
	asked, wrote, known := map[string]string{}, map[string]int{}, map[string]bool{}
	left := 0
	for i, e := range r.events {
		switch {
		case e.name == "read" && e.returned && e.result > 0:
			if strings.Contains(e.on, hexed(r.Socket)) {
				asked[e.on] += string(e.data) // it may come byte by byte
			}
			if own, ok := strings.CutSuffix(e.on, "->"+r.Address+"]"); ok {
				left = wrote["TCP:["+r.Address+"->"+strings.TrimPrefix(own, "TCP:[")+"]"]
			}
		case e.name == "write" && !e.returned:
			if strings.HasPrefix(asked[e.on], "POST /v1/imports ") && bytes.HasPrefix(e.data, []byte("HTTP/1.1 200 ")) {
				all = append(all, acknowledgement{at: i})
			}
			delete(asked, e.on)
			wrote[e.on] = i
		case e.name == "pwrite64" && !e.returned && e.on == filepath.Join(r.Sender.Root, "node.db"):
			for _, id := range deliveries(e.data) {
				if !known[id] {
					known[id] = true
					all = append(all, acknowledgement{at: left, message: id})
				}
			}
		}
	}
	return all
}

// deliveries finds the journal entries in pages of a database that say that a
// message was delivered.
func deliveries(pages []byte) (ids []string) {
	mark := []byte(`"kind":"` + journal.KindDelivered + `"`)
	for at := 0; ; {
		i := bytes.Index(pages[at:], mark)
		if i < 0 {
			return ids
		}
		at += i
		var e journal.Entry
		if begin := bytes.LastIndexByte(pages[:at], '{'); begin >= 0 && json.NewDecoder(bytes.NewReader(pages[begin:])).Decode(&e) == nil {
			if o := gateway.Outcome(e.Outcome); o == gateway.Received || o == gateway.Superseded {
				ids = append(ids, e.Message)
			}
		}
		at += len(mark)
	}
}
