// Package mail tells people once a day that something waits for them. It makes
// the text of plain counts, says when it is due, and hands it to one SMTP server.
// There is nothing in a mail of whom or what anything is about: not a name of a
// person, not an id.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
)

// Server is how a mail is handed over. Without STARTTLS, and a certificate that
// fits its name, nothing is said to a server that is not this machine.
type Server struct {
	Address  string // host:port
	From     string
	To       []string
	User     string         // "" for a server that asks for none
	Password string         // of User
	Roots    *x509.CertPool // nil: those of the machine
}

// ErrUnknown is in an error after which the mail may have been taken.
var ErrUnknown = errors.New("the mail may have been sent")

// timeout bounds the whole of one Send.
const timeout = time.Minute

// Send hands over one mail.
func (s Server) Send(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return fmt.Errorf("address of the mail server: %w", err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return fmt.Errorf("reach the mail server: %w", err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // cuts off whatever waits
	defer stop()
	client, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("greet the mail server: %w", err)
	}
	if err := s.secure(client, conn, host); err != nil {
		return err
	}
	if err := s.deliver(client, message); err != nil {
		return err
	}
	_ = client.Quit() // it has taken the mail: what it says now changes nothing
	return nil
}

// secure encrypts the connection and says who sends.
func (s Server) secure(client *smtp.Client, conn net.Conn, host string) error {
	if offered, _ := client.Extension("STARTTLS"); offered {
		if err := client.StartTLS(&tls.Config{ServerName: host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12}); err != nil {
			return fmt.Errorf("encrypt the connection to the mail server: %w", err)
		}
	} else if !isLoopback(conn.RemoteAddr()) {
		return errors.New("the mail server offers no encryption (STARTTLS)")
	}
	if s.User == "" {
		return nil
	}
	if err := client.Auth(smtp.PlainAuth("", s.User, s.Password, host)); err != nil {
		return fmt.Errorf("log in at the mail server: %w", err)
	}
	return nil
}

func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

func (s Server) deliver(client *smtp.Client, message []byte) error {
	from, err := mail.ParseAddress(s.From)
	if err != nil {
		return fmt.Errorf("address of the sender: %w", err)
	}
	if err := client.Mail(from.Address); err != nil {
		return fmt.Errorf("the mail server does not take the sender: %w", err)
	}
	for _, to := range s.To {
		address, err := mail.ParseAddress(to)
		if err != nil {
			return fmt.Errorf("address of a recipient: %w", err)
		}
		if err := client.Rcpt(address.Address); err != nil {
			return fmt.Errorf("the mail server does not take a recipient: %w", err)
		}
	}
	body, err := client.Data()
	if err != nil {
		return fmt.Errorf("the mail server does not take the mail: %w", err)
	}
	if _, err := body.Write(message); err != nil {
		return fmt.Errorf("send the mail: %w", err) // without its end it is not taken
	}
	if err := body.Close(); err != nil {
		if refused, ok := errors.AsType[*textproto.Error](err); ok && refused.Code >= 400 {
			return fmt.Errorf("the mail server does not take the mail: %w", err)
		}
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return nil
}

// Due tells whether a summary is to be sent now: on a working day, from the fixed
// time (15:04, in the Netherlands) on, when the last was not sent today.
func Due(at string, last gateway.Date, now time.Time, closed calendar.Closed) bool {
	today := gateway.DateOf(now)
	return last < today && now.In(gateway.Amsterdam()).Format("15:04") >= at && calendar.IsWorkingDay(today, closed)
}
