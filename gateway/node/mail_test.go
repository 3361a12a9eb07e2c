package node_test

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/journal"
)

// TestSummaryMail: one on a working day on which something waits, none on others,
// and again on the same day only when the server did not take it.
func TestSummaryMail(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var taken, refusing atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mailbox(conn, &taken, &refusing)
		}
	}()
	t.Cleanup(func() { _ = l.Close() })
	s := newSite(t, [2]string{`mail: {server: "", from: "", to: []`, `mail: {server: "` + l.Addr().String() + `", from: a@smile.example, to: [b@smile.example]`})
	n := s.open(t)
	monday := time.Date(time.Now().Year()+1, 6, 1, 9, 0, 0, 0, gateway.Amsterdam())
	for monday.Weekday() != time.Monday {
		monday = monday.AddDate(0, 0, 1)
	}
	monday = monday.AddDate(0, 0, 14) // after Pinksteren, whenever that is
	mail := func(at time.Time, wantMails int64, wantErr bool) {
		t.Helper()
		if err := n.MailSummary(t.Context(), at); (err != nil) != wantErr {
			t.Errorf("%s: got %v, want an error: %t", at, err, wantErr)
		}
		if got := taken.Load(); got != wantMails {
			t.Errorf("%s: got %d mails, want %d", at, got, wantMails)
		}
	}
	mail(monday, 0, false) // nothing waits
	must(t, n.Store.Append(t.Context(), monday, journal.Entry{Time: monday, Kind: journal.KindRefused, Party: s.peer.OIN}))
	mail(monday.Add(-time.Hour), 0, false) // too early
	refusing.Store(1)
	mail(monday, 0, true)
	refusing.Store(0)
	mail(monday.Add(15*time.Minute), 1, false)
	mail(monday.Add(time.Hour), 1, false)
	mail(monday.AddDate(0, 0, 2), 1, false) // longer ago than a day: nothing waits
	day, err := os.ReadFile(filepath.Join(s.config.Data, "mail.sent"))
	if err != nil || string(day) != string(gateway.DateOf(monday)) {
		t.Errorf("got %q, %v, want the day of the mail", day, err)
	}
}

// mailbox takes mails on one connection, or refuses them.
func mailbox(conn net.Conn, taken, refusing *atomic.Int64) {
	defer func() { _ = conn.Close() }()
	say := func(line string) { _, _ = conn.Write([]byte(line + "\r\n")) }
	say("220 here")
	data := false
	for in := bufio.NewScanner(conn); in.Scan(); {
		switch line := in.Text(); {
		case data && line == ".":
			data = false
			taken.Add(1)
			say("250 taken")
		case data:
		case strings.HasPrefix(line, "DATA"):
			data = true
			say("354 go on")
		case refusing.Load() > 0 && strings.HasPrefix(line, "MAIL"):
			say("451 later")
		default:
			say("250 good")
		}
	}
}
