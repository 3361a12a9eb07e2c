package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/calendar"
	"github.com/doorstroom/doorstroom/gateway/config"
	"github.com/doorstroom/doorstroom/gateway/identity"
	"github.com/doorstroom/doorstroom/gateway/journal"
	"github.com/doorstroom/doorstroom/gateway/mail"
	"github.com/doorstroom/doorstroom/gateway/store"
)

const (
	lookForMail = time.Minute
	mailAgain   = 15 * time.Minute // after a failure
	mailedFile  = "mail.sent"      // within data: the day of the last summary
)

// mails sends a summary once a day, until ctx ends.
func (n *Node) mails(ctx context.Context) {
	tick := time.NewTicker(lookForMail)
	defer tick.Stop()
	var failed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := n.Store.EffectiveTime(time.Now())
		if now.Before(failed.Add(mailAgain)) {
			continue
		}
		err := n.mailSummary(ctx, now)
		n.try("mail a summary", err)
		if err != nil {
			failed = now
		}
	}
}

// mailSummary sends a summary if it is due and says something. The day is noted
// first: after a crash, or an answer that got lost, there is one mail less and
// not one more.
func (n *Node) mailSummary(ctx context.Context, now time.Time) error {
	n.mu.Lock()
	c := n.config
	n.mu.Unlock()
	if c.Mail.Server == "" {
		return nil
	}
	file := filepath.Join(c.Data, mailedFile)
	last, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read the day of the last mail: %w", err)
	}
	if !mail.Due(c.Mail.At, gateway.Date(strings.TrimSpace(string(last))), now, calendar.Closed{Periods: n.closed()}) {
		return nil
	}
	sum, err := n.summary(ctx, now)
	if err != nil || sum.Empty() {
		return err
	}
	server, err := serverOf(c.Mail)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(gateway.DateOf(now)), 0o600); err != nil {
		return fmt.Errorf("note the day of the mail: %w", err)
	}
	err = server.Send(ctx, server.Message(sum, uuid.NewString(), now))
	if err != nil && !errors.Is(err, mail.ErrUnknown) {
		return errors.Join(err, os.WriteFile(file, last, 0o600))
	}
	return err
}

func serverOf(c config.Mail) (mail.Server, error) {
	s := mail.Server{Address: c.Server, From: c.From, To: c.To, User: c.User}
	if c.Password == "" {
		return s, nil
	}
	password, err := identity.ReadSecret(c.Password)
	if err != nil {
		return s, fmt.Errorf("read the password for the mail server: %w", err)
	}
	s.Password = strings.TrimRight(string(password), "\r\n")
	return s, nil
}

// summary counts what waits for somebody here.
func (n *Node) summary(ctx context.Context, now time.Time) (mail.Summary, error) {
	var sum mail.Summary
	imports, err := n.Store.ImportStates(ctx)
	if err != nil {
		return sum, fmt.Errorf("count held imports: %w", err)
	}
	for _, i := range imports {
		if i.Held != nil {
			sum.HeldImports++
		}
	}
	page, err := n.Store.SearchJournal(ctx, store.JournalQuery{Kind: journal.KindRefused, From: now.AddDate(0, 0, -1), Limit: 100})
	if err != nil {
		return sum, fmt.Errorf("count refused messages: %w", err)
	}
	sum.Refused = len(page.Records)
	counts := n.Desk.ReferralCounts(gateway.DateOf(now))
	subject, err := n.Desk.SubjectCounts(ctx, gateway.DateOf(now))
	if err != nil {
		return sum, err
	}
	sum.Waiting, sum.Overdue = counts.Mine+subject.Mine, counts.OurLate+subject.OurLate
	return sum, nil
}
