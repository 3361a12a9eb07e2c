package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// alone is the name of the figures without a flood.
const alone = "alone"

// isolation is what a good party has of a node, alone and beside each flood of
// another party, by the name of the flood.
type isolation map[string]*beside

// beside is what was seen for some seconds.
type beside struct {
	PerSecond      float64 `json:"per_second"`     // until the last is settled
	P99            float64 `json:"settled_p99_ms"` // at 1,000 per second
	PerSecondRatio float64 `json:"per_second_ratio,omitzero"`
	P99Ratio       float64 `json:"settled_p99_ratio,omitzero"`
	RSS            float64 `json:"rss_anon_mb"` // of the flooded node, at most

	Requests     float64 `json:"flood_per_second,omitzero"` // requests, or connections
	Refused      float64 `json:"flood_refused,omitzero"`    // the share of them with status 429
	FlooderCores float64 `json:"flooder_cores,omitzero"`    // that it took of the same machine
}

// isolating measures a pair alone, then beside each flood, then alone again.
func isolating(ctx context.Context, b *bench) (err error) {
	f, err := lay(b.folder("isolation"), shape{requests: b.requests, flooder: true})
	if err != nil {
		return err
	}
	b.say("starting two nodes, for what one party's flood costs another")
	p, err := startPair(ctx, f, b.pool())
	if err != nil {
		return err
	}
	err = b.isolate(ctx, p)
	if err = errors.Join(err, p.stop()); err != nil {
		return err
	}
	a, err := count(ctx, f, p.admin.messages, p.admin.versions)
	if err != nil {
		return fmt.Errorf("count: %w", err)
	}
	b.figures.Messages += a.published
	b.figures.Lost += a.lost
	b.figures.Duplicated += a.duplicated
	return nil
}

func (b *bench) isolate(ctx context.Context, p *pair) error {
	found := isolation{}
	before, err := b.besides(ctx, p, nil)
	if err != nil {
		return err
	}
	for _, kind := range floodKinds() {
		b.say("beside a flood: %s", kind.what)
		flooder, err := startFlood(p.f.flooder, kind.name)
		if err != nil {
			return err
		}
		if found[kind.name], err = b.besides(ctx, p, flooder); err != nil {
			return fmt.Errorf("beside %s: %w", kind.name, err)
		}
	}
	after, err := b.besides(ctx, p, nil)
	if err != nil {
		return err
	}
	quiet := &beside{PerSecond: (before.PerSecond + after.PerSecond) / 2, P99: (before.P99 + after.P99) / 2, RSS: before.RSS}
	for _, one := range found {
		one.PerSecondRatio, one.P99Ratio = one.PerSecond/quiet.PerSecond, one.P99/quiet.P99
	}
	found[alone] = quiet
	b.figures.Isolation = &found
	return nil
}

// besides measures the pair, and ends the flood if there is one.
func (b *bench) besides(ctx context.Context, p *pair, flooder *flooding) (seen *beside, err error) {
	each := max(b.length()/24, 50*time.Millisecond) // ten times, for throughput and for latency
	seen, begin := &beside{}, time.Now()
	rss, err := p.receiver.peak(func() error {
		if err := sleep(ctx, each/10); err != nil {
			return err
		}
		published, from := p.admin.messages, time.Now()
		if _, err := p.sustain(ctx, each); err != nil {
			return err
		}
		seen.PerSecond = float64(p.admin.messages-published) / time.Since(from).Seconds()
		var err error
		seen.P99, err = p.settledP99(ctx, each)
		return err
	})
	seen.RSS = mb(rss)
	if flooder == nil {
		return seen, err
	}
	took := time.Since(begin).Seconds()
	told, err2 := flooder.stop()
	if err = errors.Join(err, err2); err != nil {
		return nil, err
	}
	seen.Requests, seen.Refused = float64(told.Requests)/took, float64(told.Refused)/float64(max(1, told.Requests))
	seen.FlooderCores = float64(told.CPU) / 1e9 / took
	return seen, nil
}

// settledP99 offers messages at the usual rate. What the sender has a receipt
// for is counted, and not what the receiver accepts: that is also of the flood.
func (p *pair) settledP99(ctx context.Context, d time.Duration) (float64, error) {
	before, err := p.sender.stats(ctx)
	if err != nil {
		return 0, err
	}
	if _, err := p.sender.watch(ctx, watchTick); err != nil {
		return 0, err
	}
	all, err := p.offering(ctx, d)
	if err != nil {
		return 0, err
	}
	if err := p.await(ctx, p.admin.messages); err != nil {
		return 0, err
	}
	marks, err := p.sender.watch(ctx, 0)
	if err != nil {
		return 0, err
	}
	settled, err := arrivals(all, marks, func(s stats) uint64 { return s.Sent - before.Sent })
	return ms(percentile(settled, 0.99)), err
}

// flooding is a flood that runs, in a process of its own.
type flooding struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out io.Reader
}

func startFlood(m *member, kind string) (*flooding, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	f := &flooding{cmd: exec.Command(program, "flood", m.configFile(), kind)}
	f.cmd.Env = append(os.Environ(), nodeEnv+"=1")
	f.cmd.Stderr = os.Stderr
	if f.in, err = f.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("wire flood: %w", err)
	}
	if f.out, err = f.cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("wire flood: %w", err)
	}
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start flood: %w", err)
	}
	return f, nil
}

// stop ends the flood and gives what it tells of itself.
func (f *flooding) stop() (told floodReport, err error) {
	err = f.in.Close()
	err = errors.Join(err, json.NewDecoder(f.out).Decode(&told), f.cmd.Wait())
	if err == nil && told.Requests == 0 {
		err = errors.New("the flood asked nothing")
	}
	return told, err
}

func (i *isolation) rows() []row {
	if i == nil {
		return nil
	}
	found := *i
	quiet := found[alone]
	rows := []row{{"beside nobody: messages per second, p99 at 1,000 per second", fmt.Sprintf("%s, %.1f ms; memory %.0f MB", group(quiet.PerSecond, 0), quiet.P99, quiet.RSS), ""}}
	for _, kind := range floodKinds() {
		if one := found[kind.name]; one != nil {
			rows = append(rows, row{
				"beside a flood of " + kind.what,
				fmt.Sprintf("%.2f ×, %.1f × (%.1f ms); memory %.0f MB; flood %s per second, %.1f cores", one.PerSecondRatio, one.P99Ratio, one.P99, one.RSS, group(one.Requests, 0), one.FlooderCores), "",
			})
		}
	}
	return rows
}
