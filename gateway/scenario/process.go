package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/node"
	"github.com/doorstroom/doorstroom/gateway/rest"
)

const (
	logFile = "node.log"

	// startWithin is how long a node may take before it answers, stopWithin how
	// long it may take to end once it has been asked to; a node gives itself 20
	// seconds.
	startWithin = 30 * time.Second
	stopWithin  = 25 * time.Second
)

// process is a node that runs beside this program.
type process struct {
	LaidMember
	local *rest.LocalClient
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// start runs a node as a process of its own, which writes to a log in its
// folder. The caller stops it, and keeps the thread on which it calls this until
// then: where systems can, the node is killed when that thread ends.
func start(program string, m LaidMember) (*process, error) {
	token, err := node.ReadToken(filepath.Join(m.Dir, node.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("read token of %s: %w", m.Name, err)
	}
	log, err := os.Create(filepath.Join(m.Dir, logFile))
	if err != nil {
		return nil, fmt.Errorf("make log of %s: %w", m.Name, err)
	}
	defer log.Close() // the process has it too
	p := &process{LaidMember: m, local: rest.NewLocalClient(m.Config.Local.Socket, token), ended: make(chan struct{})}
	p.cmd = exec.Command(program, "run", "--config", m.ConfigFile())
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = log, log, attributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start node of %s: %w", m.Name, err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is in ProcessState
	}()
	return p, nil
}

// ready waits until the node answers and has the register and its policy.
func (p *process) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		status, err := p.local.Status(ctx)
		switch {
		case err == nil && status.Policy.Error != "":
			return gateway.Errorf(gateway.Invalid, "het beleid van %s is niet geladen: %s", p.Name, status.Policy.Error)
		case err == nil && status.Register.Version > 0:
			return nil
		case err != nil && gateway.KindOf(err) != gateway.Unavailable:
			return fmt.Errorf("ask %s: %w", p.Name, err)
		}
		select {
		case <-p.ended:
			return p.failure()
		case <-ctx.Done():
			return gateway.Wrap(gateway.Unavailable, ctx.Err(), "het knooppunt van "+p.Name+" antwoordt niet")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// failure says how a node ended that nobody stopped.
func (p *process) failure() error {
	return gateway.Errorf(gateway.Unavailable, "het knooppunt van %s is gestopt (%s); het laatst schreef het:\n%s",
		p.Name, p.cmd.ProcessState, p.lastLines(5))
}

func (p *process) lastLines(n int) string {
	log, err := os.ReadFile(filepath.Join(p.Dir, logFile))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}

// stopAll ends the nodes together and waits for them: in good order, or after
// stopWithin by force, which is an error.
func stopAll(processes []*process) error {
	for _, p := range processes {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			_ = p.cmd.Process.Kill() // a system without SIGTERM
		}
	}
	deadline := time.After(stopWithin)
	var slow []string
	for _, p := range processes {
		select {
		case <-p.ended:
		case <-deadline:
			slow = append(slow, p.Name)
			_ = p.cmd.Process.Kill()
			<-p.ended
			deadline = time.After(0) // the others have had their time
		}
		p.local.Close()
	}
	if len(slow) > 0 {
		return gateway.Errorf(gateway.Internal, "deze knooppunten stopten niet vanzelf: %s", strings.Join(slow, ", "))
	}
	return nil
}
