package rest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

// LocalClient asks things of the node on the same machine. It is safe for
// concurrent use. Its errors are gateway.Errors with the node's own message,
// which may be shown; Unavailable when the node is not running.
type LocalClient struct {
	socket, token string
	http          *http.Client
}

// NewLocalClient makes a client for the node that listens on a unix socket; the
// token is that of a caller in the node's configuration.
func NewLocalClient(socket, token string) *LocalClient {
	var dialer net.Dialer
	return &LocalClient{socket, token, &http.Client{
		CheckRedirect: noRedirect,
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", socket)
			},
			DisableCompression: true,
		},
	}}
}

// Close closes connections that are not in use.
func (c *LocalClient) Close() { c.http.CloseIdleConnections() }

// Publish publishes one export of the admin.
func (c *LocalClient) Publish(ctx context.Context, imp gateway.Import, confirm bool) (desk.ImportReport, error) {
	return ask[desk.ImportReport](ctx, c, http.MethodPost, pathImports, Publication{imp, confirm})
}

// ConfirmImport publishes the held export of a source.
func (c *LocalClient) ConfirmImport(ctx context.Context, source string) (desk.ImportReport, error) {
	return ask[desk.ImportReport](ctx, c, http.MethodPost, pathConfirmImport, Source{source})
}

// DropImport forgets the held export of a source.
func (c *LocalClient) DropImport(ctx context.Context, source string) error {
	_, err := ask[Source](ctx, c, http.MethodPost, pathDropImport, Source{source})
	return err
}

// OwnOffers is what the node offers.
func (c *LocalClient) OwnOffers(ctx context.Context) ([]OwnOffer, error) {
	list, err := ask[OwnOffers](ctx, c, http.MethodGet, pathOwnOffers, nil)
	return list.Offers, err
}

// ReceivedOffers is what others offer.
func (c *LocalClient) ReceivedOffers(ctx context.Context) ([]desk.ReceivedOffer, error) {
	list, err := ask[ReceivedOffers](ctx, c, http.MethodGet, pathReceived, nil)
	return list.Offers, err
}

// Status is how the node stands.
func (c *LocalClient) Status(ctx context.Context) (Status, error) {
	return ask[Status](ctx, c, http.MethodGet, pathStatus, nil)
}

// Register is the register in force.
func (c *LocalClient) Register(ctx context.Context) (Register, error) {
	return ask[Register](ctx, c, http.MethodGet, pathRegister, nil)
}

// InstallRegister puts a signed register in force and gives it back as the node
// reads it.
func (c *LocalClient) InstallRegister(ctx context.Context, file []byte) (Register, error) {
	return ask[Register](ctx, c, http.MethodPost, pathRegister, RegisterFile{string(file)})
}

// Explain tells what a recipient sees of an offer, or hears of a person, and why.
func (c *LocalClient) Explain(ctx context.Context, q desk.Question) (Explanation, error) {
	return ask[Explanation](ctx, c, http.MethodPost, pathExplain, q)
}

// OfferMatrix tells which fields of each own offer a recipient sees; of an empty
// one, everybody.
func (c *LocalClient) OfferMatrix(ctx context.Context, recipient string) (OfferMatrix, error) {
	return ask[OfferMatrix](ctx, c, http.MethodPost, pathMatrix, Whom{recipient})
}

// Reload makes the node read configuration and policy again.
func (c *LocalClient) Reload(ctx context.Context) (desk.PolicyStatus, error) {
	return ask[desk.PolicyStatus](ctx, c, http.MethodPost, pathReload, Nothing{})
}

// Journal lists entries from an index on, at most limit of them.
func (c *LocalClient) Journal(ctx context.Context, from uint64, limit int) ([]JournalEntry, error) {
	path := pathJournal + "?from=" + strconv.FormatUint(from, 10) + "&limit=" + strconv.Itoa(limit)
	page, err := ask[Journal](ctx, c, http.MethodGet, path, nil)
	return page.Entries, err
}

// Policies are all policies that were in force, the first one first.
func (c *LocalClient) Policies(ctx context.Context) ([]PolicyInForce, error) {
	list, err := ask[Policies](ctx, c, http.MethodGet, pathPolicies, nil)
	return list.Policies, err
}

// DiffPolicy tells what two policies show otherwise of the own offers today.
func (c *LocalClient) DiffPolicy(ctx context.Context, both TwoPolicies) (desk.PolicyDiff, error) {
	return ask[desk.PolicyDiff](ctx, c, http.MethodPost, pathPolicyDiff, both)
}

// ReplayPolicy tells what a draft would have decided otherwise lately.
func (c *LocalClient) ReplayPolicy(ctx context.Context, draft Draft) (desk.PolicyReplay, error) {
	return ask[desk.PolicyReplay](ctx, c, http.MethodPost, pathReplay, draft)
}

// Rollback takes out an earlier policy: the one whose version begins so, or the
// one before the present one.
func (c *LocalClient) Rollback(ctx context.Context, version string) (PolicyInForce, error) {
	return ask[PolicyInForce](ctx, c, http.MethodPost, pathRollback, PolicyVersion{version})
}

// VerifyJournal makes the node recompute its journal.
func (c *LocalClient) VerifyJournal(ctx context.Context) (JournalReport, error) {
	return ask[JournalReport](ctx, c, http.MethodPost, pathVerify, Nothing{})
}

// Backup makes the node write a backup, and waits until it was verified.
func (c *LocalClient) Backup(ctx context.Context) (Backup, error) {
	return ask[Backup](ctx, c, http.MethodPost, pathBackup, Nothing{})
}

// Doctor makes the node examine itself.
func (c *LocalClient) Doctor(ctx context.Context) ([]desk.Finding, error) {
	found, err := ask[Findings](ctx, c, http.MethodPost, pathDoctor, Nothing{})
	return found.Findings, err
}

// ask does one request of the local API.
func ask[T any](ctx context.Context, c *LocalClient, method, path string, body any) (T, error) {
	var out T
	req, err := newRequest(ctx, method, "http://node"+path, body)
	if err != nil {
		return out, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := exchange(c.http, req, localBodyBytes)
	if err != nil {
		return out, gateway.Wrap(gateway.Unavailable, err, "the node does not answer on "+c.socket+"; is it running? Start it with: doorstroom run")
	}
	if res.status != http.StatusOK {
		return out, c.refusal(res)
	}
	if err := decodeJSON(res.body, &out); err != nil {
		return out, gateway.Wrap(gateway.Unavailable, err, "the answer of the node cannot be read; is it of the same version as this program?")
	}
	return out, nil
}

// refusal passes on what our own node says: unlike that of a peer, its message
// may be shown.
func (c *LocalClient) refusal(res response) error {
	p, kind, ok := res.problem()
	if !ok {
		return gateway.Errorf(gateway.Unavailable, "something else than a node answers on %s: status %d", c.socket, res.status)
	}
	lines := []string{p.Detail}
	if len(p.Errors) > 0 {
		lines = nil
		for _, d := range p.Errors {
			lines = append(lines, d.Detail)
		}
	}
	if p.Instance != "" {
		lines = append(lines, "reference: "+p.Instance)
	}
	cause := fmt.Errorf("status %d", res.status)
	if begin, err := gateway.ParseEventPosition(res.beginAfter); err == nil {
		cause = &gateway.EventsGone{Begin: begin}
	}
	return gateway.Wrap(kind, cause, strings.Join(lines, "\n"))
}
