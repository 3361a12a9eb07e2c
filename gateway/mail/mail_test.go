package mail_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/gateway/mail"
)

// smtpServer is a mail server for one connection.
type smtpServer struct {
	tls     *tls.Config // nil: offers no STARTTLS
	refuse  string      // answers a command that begins so with 550
	hangUp  bool        // after the mail, without an answer
	got     chan delivery
	address string
}

type delivery struct {
	commands  []string
	message   string
	encrypted bool
}

func (s *smtpServer) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.got = l.Addr().String(), make(chan delivery, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.got <- s.serve(conn)
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
}

func (s *smtpServer) serve(conn net.Conn) (d delivery) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	say := func(line string) { _, _ = io.WriteString(conn, line+"\r\n") }
	say("220 mail.example")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return d
		}
		line = strings.TrimRight(line, "\r\n")
		d.commands = append(d.commands, line)
		verb, _, _ := strings.Cut(line, " ")
		switch {
		case s.refuse != "" && strings.HasPrefix(line, s.refuse):
			say("550 no")
		case verb == "EHLO" && s.tls != nil && !d.encrypted:
			say("250-mail.example\r\n250 STARTTLS")
		case verb == "EHLO":
			say("250-mail.example\r\n250 AUTH PLAIN")
		case verb == "STARTTLS":
			say("220 go on")
			secure := tls.Server(conn, s.tls)
			if secure.Handshake() != nil {
				return d
			}
			conn, in, d.encrypted = secure, bufio.NewReader(secure), true
		case verb == "AUTH":
			say("235 welcome")
		case verb == "DATA":
			say("354 go on")
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return d
				}
				if line == ".\r\n" {
					break
				}
				d.message += line
			}
			if s.hangUp {
				return d
			}
			if s.refuse == "." {
				say("554 spam")
				continue
			}
			say("250 taken")
		case verb == "QUIT":
			say("221 bye")
			return d
		default:
			say("250 good")
		}
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func client(s *smtpServer) mail.Server {
	return mail.Server{Address: s.address, From: "doorstroom@smile.example", To: []string{"een@smile.example", "twee@smile.example"}}
}

func TestSend(t *testing.T) {
	cert, roots := certificate(t)
	s := &smtpServer{tls: &tls.Config{Certificates: []tls.Certificate{cert}}}
	s.start(t)
	c := client(s)
	c.Roots, c.User, c.Password = roots, "smile", "geheim"
	now := time.Date(2026, 11, 23, 8, 30, 0, 0, gateway.Amsterdam())
	if err := c.Send(t.Context(), c.Message(mail.Summary{Waiting: 3, Overdue: 1}, "id-1", now)); err != nil {
		t.Fatal(err)
	}
	got := <-s.got
	commands := strings.Join(got.commands, "\n")
	login := base64.StdEncoding.EncodeToString([]byte("\x00smile\x00geheim"))
	for _, want := range []string{"STARTTLS\nEHLO", "AUTH PLAIN " + login, "MAIL FROM:<doorstroom@smile.example>", "RCPT TO:<een@smile.example>\nRCPT TO:<twee@smile.example>", "DATA\nQUIT"} {
		if !strings.Contains(commands, want) {
			t.Errorf("got commands\n%s\nwant %q", commands, want)
		}
	}
	if before, _, _ := strings.Cut(commands, "STARTTLS"); !got.encrypted || strings.Contains(before, "MAIL") || strings.Contains(before, "AUTH") {
		t.Errorf("before it was encrypted: %q", before)
	}
	parsed, err := netmail.ReadMessage(strings.NewReader(got.message))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(parsed.Body))
	if err != nil || !strings.Contains(string(body), "- 3 aanmeldingen wachten op u, 1 over de termijn.") {
		t.Errorf("got %q, %v", body, err)
	}
	if subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject")); err != nil || subject != "Doorstroom: er is een termijn verstreken" {
		t.Errorf("got subject %q, %v", subject, err)
	}
	if at, err := parsed.Header.Date(); err != nil || !at.Equal(now) {
		t.Errorf("got date %s, %v", at, err)
	}
}

// TestSendFails: what is not encrypted to another machine, does not fit or is not
// taken is an error, and only a lost answer leaves open whether it was taken.
func TestSendFails(t *testing.T) {
	cert, roots := certificate(t)
	good := &tls.Config{Certificates: []tls.Certificate{cert}}
	for name, test := range map[string]struct {
		server  smtpServer
		change  func(*mail.Server)
		want    string
		unknown bool
	}{
		"unknown authority": {server: smtpServer{tls: good}, change: func(s *mail.Server) { s.Roots = nil }, want: "encrypt"},
		"sender refused":    {server: smtpServer{refuse: "MAIL"}, want: "sender"},
		"recipient refused": {server: smtpServer{refuse: "RCPT TO:<twee"}, want: "recipient"},
		"login refused":     {server: smtpServer{refuse: "AUTH"}, change: func(s *mail.Server) { s.User = "x" }, want: "log in"},
		"mail refused":      {server: smtpServer{refuse: "."}, want: "take the mail"},
		"answer lost":       {server: smtpServer{hangUp: true}, want: "may have been sent", unknown: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.server.start(t)
			c := client(&test.server)
			c.Roots = roots
			if test.change != nil {
				test.change(&c)
			}
			err := c.Send(t.Context(), c.Message(mail.Summary{Refused: 1}, "id", time.Now()))
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, mail.ErrUnknown) != test.unknown {
				t.Errorf("got %v, want %q, open whether it was taken: %t", err, test.want, test.unknown)
			}
			if got := <-test.server.got; name == "unknown authority" && strings.Contains(strings.Join(got.commands, " "), "MAIL") {
				t.Errorf("got %v, want nothing said", got.commands)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := client(&smtpServer{address: "127.0.0.1:1"}).Send(ctx, nil); err == nil {
		t.Error("got no error of a server that is not there")
	}
}

// TestNoPlainMailElsewhere: a server on another machine that offers no STARTTLS
// hears no more than a greeting. The address is one of this machine that is not
// loopback.
func TestNoPlainMailElsewhere(t *testing.T) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(ip.IP.String(), "0"))
		if err != nil {
			continue
		}
		s := &smtpServer{address: l.Addr().String()}
		got := make(chan delivery, 1)
		go func() {
			conn, err := l.Accept()
			if err == nil {
				got <- s.serve(conn)
			}
		}()
		err = client(s).Send(t.Context(), nil)
		if err == nil || !strings.Contains(err.Error(), "STARTTLS") {
			t.Errorf("got %v, want that it is not encrypted", err)
		}
		if d := <-got; len(d.commands) != 1 {
			t.Errorf("got %v, want a greeting only", d.commands)
		}
		_ = l.Close()
		return
	}
	t.Log("this machine has no address but loopback: tried with addresses only")
}

func TestText(t *testing.T) {
	for _, test := range []struct {
		sum  mail.Summary
		want string
	}{
		{mail.Summary{Waiting: 1}, "- 1 aanmelding wacht op u.\n"},
		{mail.Summary{Waiting: 3, Overdue: 1}, "- 3 aanmeldingen wachten op u, 1 over de termijn.\n"},
		{mail.Summary{HeldImports: 1, Refused: 1}, "- 1 export wacht tot iemand bevestigt dat er zoveel aanbod mag verdwijnen.\n- 1 bericht is sinds gisteren door een andere partij geweigerd.\n"},
		{mail.Summary{HeldImports: 2, Refused: 100}, "- 2 exports wachten tot iemand bevestigt dat er zoveel aanbod mag verdwijnen.\n- 100 berichten zijn sinds gisteren door een andere partij geweigerd.\n"},
	} {
		if _, body := mail.Text(test.sum); !strings.Contains(body, "\n\n"+test.want+"\n") {
			t.Errorf("%+v: got %q, want %q", test.sum, body, test.want)
		}
	}
	if !(mail.Summary{}).Empty() || (mail.Summary{Refused: 1}).Empty() {
		t.Error("only nothing is empty")
	}
}

func TestDue(t *testing.T) {
	for _, test := range []struct {
		now  string
		last gateway.Date
		want bool
	}{
		{"2026-11-23T07:29:59Z", "2026-11-20", false},
		{"2026-11-23T07:30:00Z", "2026-11-20", true}, // 08:30 in the Netherlands
		{"2026-11-23T07:30:00Z", "", true},
		{"2026-11-23T15:00:00Z", "2026-11-20", true}, // the node was down
		{"2026-11-23T15:00:00Z", "2026-11-23", false},
		{"2026-11-22T07:30:00Z", "2026-11-20", false}, // Sunday
		{"2026-12-25T07:30:00Z", "2026-12-24", false}, // Kerst
		{"2026-07-20T06:30:00Z", "2026-07-17", false}, // closed
		{"2026-07-21T06:30:00Z", "2026-07-17", true},  // summer time
	} {
		now, err := time.Parse(time.RFC3339, test.now)
		if err != nil {
			t.Fatal(err)
		}
		closed := calendar.Closed{Periods: []gateway.Closing{{From: "2026-07-20", Until: "2026-07-20"}}}
		if got := mail.Due("08:30", test.last, now, closed); got != test.want {
			t.Errorf("%s after %q: got %t, want %t", test.now, test.last, got, test.want)
		}
	}
}
