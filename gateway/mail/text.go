package mail

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"github.com/doorstroom/doorstroom/gateway"
)

// Summary is what waits for people, as plain counts.
type Summary struct {
	Waiting     int // referrals whose next step is ours
	Overdue     int // of these, over the term
	HeldImports int // exports that wait for somebody to confirm them
	Refused     int // messages that others refused since yesterday
}

// Empty tells whether there is nothing to mail.
func (s Summary) Empty() bool { return s == Summary{} }

// Text is a summary in Dutch: a subject and lines.
func Text(s Summary) (subject, body string) {
	var lines []string
	if s.Waiting > 0 {
		line := gateway.Count(s.Waiting, "aanmelding wacht", "aanmeldingen wachten") + " op u"
		if s.Overdue > 0 {
			line += fmt.Sprintf(", %d over de termijn", s.Overdue)
		}
		lines = append(lines, line)
	}
	if s.HeldImports > 0 {
		lines = append(lines, gateway.Count(s.HeldImports, "export wacht", "exports wachten")+" tot iemand bevestigt dat er zoveel aanbod mag verdwijnen")
	}
	if s.Refused > 0 {
		lines = append(lines, gateway.Count(s.Refused, "bericht is", "berichten zijn")+" sinds gisteren door een andere partij geweigerd")
	}
	subject = "Doorstroom: er wacht iets op u"
	if s.Overdue > 0 {
		subject = "Doorstroom: er is een termijn verstreken"
	}
	body = "Goedemorgen,\n\n"
	for _, line := range lines {
		body += "- " + line + ".\n"
	}
	return subject, body + "\nKijk in Doorstroom wat u kunt doen. In deze mail staan met opzet geen gegevens van personen.\n" +
		"Dit bericht is automatisch gemaakt.\n"
}

// Message is a summary as a mail. id makes it a mail of its own.
func (s Server) Message(sum Summary, id string, now time.Time) []byte {
	subject, body := Text(sum)
	var b bytes.Buffer
	for _, header := range [][2]string{
		{"From", s.From}, {"To", strings.Join(s.To, ", ")}, {"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", now.Format(time.RFC1123Z)}, {"Message-ID", "<" + id + "@doorstroom.invalid>"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", header[0], header[1])
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	_, _ = w.Write([]byte(strings.ReplaceAll(body, "\n", "\r\n"))) // a buffer takes all
	_ = w.Close()
	return b.Bytes()
}
