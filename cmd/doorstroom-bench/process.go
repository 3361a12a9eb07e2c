package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

// process is a node that runs. Its methods are for one goroutine, but for await.
type process struct {
	m       *member
	local   *rest.LocalClient
	cmd     *exec.Cmd
	began   time.Time
	in      io.WriteCloser
	answers chan stats
	changed chan struct{} // poked when last has changed
	ended   chan struct{} // closed when the process has ended

	mu    sync.Mutex
	last  stats   // guarded by mu
	marks []stats // guarded by mu; what was told since the last watch
}

// start runs a member's node and waits until everything listens; it gives how
// long that took.
func start(ctx context.Context, m *member) (*process, time.Duration, error) {
	p, err := launch(m)
	if err != nil {
		return nil, 0, err
	}
	took, err := p.ready(ctx)
	if err != nil {
		return nil, 0, errors.Join(err, p.stop())
	}
	return p, took, nil
}

// launch runs a member's node.
func launch(m *member) (*process, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	token, err := node.ReadToken(filepath.Join(m.dir, node.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(m.dir, "node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the process has it too
	p := &process{
		m: m, local: rest.NewLocalClient(m.config.Local.Socket, token), answers: make(chan stats, 1),
		changed: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	p.cmd = exec.Command(program, "node", m.configFile())
	p.cmd.Env = append(os.Environ(), nodeEnv+"=1")
	p.cmd.Stderr = log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("wire node: %w", err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("wire node: %w", err)
	}
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node: %w", err)
	}
	go func() { // ends with the process; stop and kill wait for it
		defer close(p.ended)
		p.read(out)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

// ready waits until everything listens; it gives how long that took from the
// launch.
func (p *process) ready(ctx context.Context) (time.Duration, error) {
	_, err := p.answer(ctx)
	return time.Since(p.began), err
}

// nodeEnv tells the binary of the tests that it is to be this program.
const nodeEnv = "DOORSTROOM_BENCH_NODE"

func (p *process) read(out io.Reader) {
	lines := json.NewDecoder(out)
	for {
		var s stats
		if err := lines.Decode(&s); err != nil {
			return
		}
		p.mu.Lock()
		p.last = s
		if s.Mark {
			p.marks = append(p.marks, s)
		}
		p.mu.Unlock()
		select {
		case p.changed <- struct{}{}:
		default:
		}
		if !s.Mark {
			p.answers <- s
		}
	}
}

func (p *process) answer(ctx context.Context) (stats, error) {
	select {
	case s := <-p.answers:
		return s, nil
	case <-p.ended:
		return stats{}, fmt.Errorf("the node of %s ended by itself: %s", p.m.party.Name, p.lastLines())
	case <-ctx.Done():
		return stats{}, ctx.Err()
	}
}

func (p *process) lastLines() string {
	log, err := os.ReadFile(filepath.Join(p.m.dir, "node.log"))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(log), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-5):], []byte("\n")))
}

func (p *process) tell(ctx context.Context, line string) (stats, error) {
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return stats{}, fmt.Errorf("tell node: %w", err)
	}
	return p.answer(ctx)
}

func (p *process) stats(ctx context.Context) (stats, error) { return p.tell(ctx, "stats") }

// watch makes the node tell of every change from now on, as often as every; 0
// ends it. It gives what was told since the last call.
func (p *process) watch(ctx context.Context, every time.Duration) ([]stats, error) {
	line := "watch " + every.String()
	if every == 0 {
		line = "watch off"
	}
	if _, err := p.tell(ctx, line); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	marks := p.marks
	p.marks = nil
	return marks, nil
}

// await waits, while the node is watched, until what it told last is enough.
func (p *process) await(ctx context.Context, enough func(stats) bool) error {
	for {
		if enough(p.told()) {
			return nil
		}
		select {
		case <-p.changed:
		case <-p.ended:
			return fmt.Errorf("the node of %s ended by itself: %s", p.m.party.Name, p.lastLines())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// told is what the node told last.
func (p *process) told() stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// stop ends the node in good order.
func (p *process) stop() error {
	err := p.in.Close()
	<-p.ended
	p.local.Close()
	if state := p.cmd.ProcessState; state == nil || !state.Success() {
		err = errors.Join(err, fmt.Errorf("the node of %s ended with %v: %s", p.m.party.Name, state, p.lastLines()))
	}
	return err
}

// kill ends it as a power cut would, as far as the process can tell.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	<-p.ended
	p.local.Close()
	return err
}

// rssAnon is the memory of the process that is not of files, in bytes.
func (p *process) rssAnon() (int64, error) { return statusBytes(p.cmd.Process.Pid, "RssAnon") }

// statusBytes reads one line of /proc/<pid>/status; 0 where there is no such
// file.
func statusBytes(pid int, name string) (int64, error) {
	file, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(file)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, nil
}
