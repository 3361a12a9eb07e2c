package rest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
	"github.com/doorstroom/doorstroom/gateway/desk"
)

const (
	pathImports       = "/v1/imports"
	pathConfirmImport = "/v1/imports/confirm"
	pathDropImport    = "/v1/imports/drop"
	pathOwnOffers     = "/v1/own-offers"
	pathReceived      = "/v1/received-offers"
	pathPlaces        = "/v1/places/search"
	pathMissing       = "/v1/places/missing"
	pathStatus        = "/v1/status"
	pathExplain       = "/v1/policy/explain"
	pathMatrix        = "/v1/policy/matrix"
	pathReload        = "/v1/reload"
	pathPolicies      = "/v1/policies"
	pathPolicyDiff    = "/v1/policies/diff"
	pathReplay        = "/v1/policies/replay"
	pathRollback      = "/v1/policies/rollback"
	pathJournal       = "/v1/journal"
	pathVerify        = "/v1/journal/verify"
	pathAgainst       = "/v1/journal/against"
	pathProof         = "/v1/journal/proof"
	pathWitnessNow    = "/v1/journal/witness"
	pathSearch        = "/v1/journal/search"
	pathExport        = "/v1/journal/export"
	pathArchive       = "/v1/journal/archive"
	pathBackup        = "/v1/backup"
	pathDoctor        = "/v1/doctor"
	pathBreakGlass    = "/v1/break-glass"
	pathPropose       = "/v1/policies/propose"
	pathWithdraw      = "/v1/policies/withdraw"
	pathProposals     = "/v1/policies/proposals"
	pathProposal      = "/v1/policies/proposals/show"
	pathAnswer        = "/v1/policies/proposals/answer"
	pathEndBreakGlass = "/v1/break-glass/end"
	pathAcknowledge   = "/v1/break-glass/acknowledge"

	// journalPage is how many entries a journal request without limit gets, and
	// maxJournalPage how many it can ask for.
	journalPage    = 100
	maxJournalPage = 10_000

	// An import of twenty thousand offers is some 20 MB.
	localBodyBytes   = 64 << 20
	localReadTimeout = time.Minute
)

//go:embed local.openapi.json
var localOpenAPIFile []byte

// LocalCaller is who may use the local API: whoever shows the token with this
// SHA-256 (lower-case hex) is this caller.
type LocalCaller struct {
	gateway.Caller
	TokenSHA256 string
}

// NewLocalHandler is the API for programs and people on the same machine: one
// route for each operation of the desk, which decides by the caller's roles.
// callers is asked at every request, so that a reload counts at once.
func NewLocalHandler(d *desk.Desk, callers func() []LocalCaller, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	newLocalAPI(mux, d, func(r *http.Request) bool {
		now, ok := findCaller(callers(), bearer(r))
		return ok && reflect.DeepEqual(now, callerIn(r.Context()))
	}, log)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeOpenAPI)
		_, _ = w.Write(localOpenAPIFile) // an error means that the client has gone
	})
	limits := Limits{BodyBytes: localBodyBytes, ReadTimeout: localReadTimeout}
	return frame(log, authenticated(callers, bodies(limits, unhurried(routes(mux)))))
}

// unhurried lets an operation take as long as it needs, once the request is
// there: our own person or program waits for it. One import for every gemeente, or
// a register that has a million offers decided again, takes minutes on an old
// computer; cut off, it would have happened without its answer.
func unhurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// An error means that this kind of connection has no deadline.
		_ = errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{}))
		next.ServeHTTP(w, r)
	})
}

type callerKey struct{}

func callerIn(ctx context.Context) gateway.Caller {
	caller, ok := ctx.Value(callerKey{}).(gateway.Caller)
	if !ok {
		panic("a request reached the local API without a caller")
	}
	return caller
}

// authenticated lets in who shows a token (RFC 6750).
func authenticated(callers func() []LocalCaller, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, ok := findCaller(callers(), bearer(r))
		if !ok {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeProblem(w, newProblem(http.StatusUnauthorized, "this token is of no caller in the configuration"))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// bearer is the token of a request, or "".
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// findCaller takes as long for every token.
func findCaller(callers []LocalCaller, token string) (gateway.Caller, bool) {
	sum := sha256.Sum256([]byte(token))
	shown := []byte(hex.EncodeToString(sum[:]))
	var found gateway.Caller
	ok := false
	for _, c := range callers {
		if subtle.ConstantTimeCompare(shown, []byte(c.TokenSHA256)) == 1 && token != "" {
			found, ok = c.Caller, true
		}
	}
	return found, ok
}

func newLocalAPI(mux *http.ServeMux, d *desk.Desk, stays func(*http.Request) bool, log *slog.Logger) api {
	a := newAPI(mux, log, localDocument())
	importRoutes(a, d)
	offerRoutes(a, d)
	placeRoutes(a, d)
	registerRoutes(a, d)
	policyRoutes(a, d)
	journalRoutes(a, d)
	witnessedRoutes(a, d)
	searchRoutes(a, d)
	backupRoutes(a, d)
	doctorRoutes(a, d)
	breakGlassRoutes(a, d)
	referralRoutes(a, d)
	allotmentRoutes(a, d)
	subjectRoutes(a, d)
	proposalRoutes(a, d)
	eventRoutes(a, d, stays)
	return a
}

func importRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "publish", Path: pathImports, Summary: "Publish an export of the admin",
	}, nil, func(ctx context.Context, in Publication) (desk.ImportReport, error) {
		return d.PublishCapacity(ctx, callerIn(ctx), in.Import, in.Confirm)
	})
	post(a, huma.Operation{
		OperationID: "confirmImport", Path: pathConfirmImport, Summary: "Publish a held export after all",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in Source) (desk.ImportReport, error) {
		return d.ConfirmImport(ctx, callerIn(ctx), in.Source)
	})
	post(a, huma.Operation{
		OperationID: "dropImport", Path: pathDropImport, Summary: "Forget a held export",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in Source) (Source, error) {
		return in, d.DropImport(ctx, callerIn(ctx), in.Source)
	})
}

func offerRoutes(a api, d *desk.Desk) {
	get(a, huma.Operation{
		OperationID: "listOwnOffers", Path: pathOwnOffers, Summary: "What this node offers",
	}, nil, func(ctx context.Context, _ noInput) (output[OwnOffers], error) {
		offers, err := d.OwnOffers(ctx, callerIn(ctx))
		out := OwnOffers{Offers: make([]OwnOffer, 0, len(offers))}
		for _, o := range offers {
			out.Offers = append(out.Offers, OwnOffer(o))
		}
		return output[OwnOffers]{out}, err
	})
	get(a, huma.Operation{
		OperationID: "listReceivedOffers", Path: pathReceived, Summary: "What others offer",
	}, nil, func(ctx context.Context, _ noInput) (output[ReceivedOffers], error) {
		offers, err := d.ReceivedOffers(ctx, callerIn(ctx))
		return output[ReceivedOffers]{ReceivedOffers{append([]desk.ReceivedOffer{}, offers...)}}, err
	})
	get(a, huma.Operation{
		OperationID: "getStatus", Path: pathStatus, Summary: "How the node stands",
	}, nil, func(ctx context.Context, _ noInput) (output[Status], error) {
		status, err := d.Status(ctx, callerIn(ctx))
		return output[Status]{statusOut(status)}, err
	})
}

func registerRoutes(a api, d *desk.Desk) {
	show := func(ctx context.Context) (Register, error) {
		reg, err := d.ShowRegister(ctx, callerIn(ctx))
		if err != nil {
			return Register{}, err
		}
		doc := reg.Document()
		out := Register{
			Version: reg.Version(), Hash: reg.Hash(), Issued: doc.Issued, ValidUntil: doc.ValidUntil, Threshold: doc.Threshold,
			Signers: []string{}, Parties: reg.Parties(), File: string(reg.Bytes()),
		}
		for _, s := range doc.Signers {
			out.Signers = append(out.Signers, s.Name)
		}
		out.Approvals, err = d.Approvals(ctx)
		return out, err
	}
	get(a, huma.Operation{
		OperationID: "getRegister", Path: pathRegister, Summary: "The register of participants in force",
	}, []int{http.StatusNotFound}, func(ctx context.Context, _ noInput) (output[Register], error) {
		out, err := show(ctx)
		return output[Register]{out}, err
	})
	post(a, huma.Operation{
		OperationID: "installRegister", Path: pathRegister, Summary: "Put a signed register in force",
		Description: "The first by the configured anchors, every next one as the successor of the one in force.",
	}, nil, func(ctx context.Context, in RegisterFile) (Register, error) {
		if _, err := d.InstallRegister(ctx, callerIn(ctx), []byte(in.File)); err != nil {
			return Register{}, err
		}
		return show(ctx)
	})
}

func policyRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "explainPolicy", Path: pathExplain, Summary: "What a recipient sees of an offer, or hears of a person, and why",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in desk.Question) (Explanation, error) {
		explanation, err := d.Explain(ctx, callerIn(ctx), in)
		if err != nil {
			return Explanation{}, err
		}
		detail, err := json.Marshal(explanation)
		if err != nil {
			return Explanation{}, fmt.Errorf("write explanation: %w", err)
		}
		return Explanation{Text: explanation.Text(), Detail: detail}, nil
	})
	post(a, huma.Operation{
		OperationID: "reload", Path: pathReload, Summary: "Read configuration and policy again",
		Description: "What cannot be loaded leaves what is in force, and the problem says why.",
	}, nil, func(ctx context.Context, _ Nothing) (desk.PolicyStatus, error) {
		return d.Reload(ctx, callerIn(ctx))
	})
	historyRoutes(a, d)
	post(a, huma.Operation{
		OperationID: "offerMatrix", Path: pathMatrix, Summary: "Which fields of each own offer everybody sees, or one recipient",
	}, []int{http.StatusNotFound}, func(ctx context.Context, in Whom) (OfferMatrix, error) {
		matrix, err := d.OfferMatrix(ctx, callerIn(ctx), in.Recipient)
		if err != nil {
			return OfferMatrix{}, err
		}
		detail, err := json.Marshal(matrix)
		if err != nil {
			return OfferMatrix{}, fmt.Errorf("write matrix: %w", err)
		}
		return OfferMatrix{Matrix: detail}, nil
	})
}

// pageInput is text that is read here: huma's errors for parameters repeat them.
type pageInput struct {
	From  string `query:"from" doc:"index of the first entry; 0 without it"`
	Limit string `query:"limit" doc:"how many entries at most; 100 without it"`
}

func journalRoutes(a api, d *desk.Desk) {
	get(a, huma.Operation{
		OperationID: "listJournal", Path: pathJournal, Summary: "Entries of the journal",
	}, []int{http.StatusBadRequest}, func(ctx context.Context, in pageInput) (output[Journal], error) {
		from, limit, err := in.parse()
		if err != nil {
			return output[Journal]{}, err
		}
		records, err := d.Journal(ctx, callerIn(ctx), from, limit)
		out := Journal{Entries: make([]JournalEntry, 0, len(records))}
		for _, r := range records {
			out.Entries = append(out.Entries, journalEntry(r))
		}
		return output[Journal]{out}, err
	})
	post(a, huma.Operation{
		OperationID: "verifyJournal", Path: pathVerify, Summary: "Recompute the journal against its signed heads",
	}, nil, func(ctx context.Context, _ Nothing) (JournalReport, error) {
		report, err := d.VerifyJournal(ctx, callerIn(ctx))
		return journalReport(report), err
	})
}

func backupRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "backup", Path: pathBackup, Summary: "Write an encrypted backup and verify it",
		Description: "Answers when the backup has been read back and checked, which takes as long as it takes.",
	}, nil, func(ctx context.Context, _ Nothing) (Backup, error) {
		report, err := d.Backup(ctx, callerIn(ctx))
		return BackupOf(report), err
	})
}

func doctorRoutes(a api, d *desk.Desk) {
	post(a, huma.Operation{
		OperationID: "doctor", Path: pathDoctor, Summary: "Examine the node and its machine",
		Description: "What is in order, what will not stay so, and what is wrong, each with what to do about it.",
	}, nil, func(ctx context.Context, _ Nothing) (Findings, error) {
		findings, err := d.Doctor(ctx, callerIn(ctx))
		return Findings{findings}, err
	})
}

func (p pageInput) parse() (from uint64, limit int, err error) {
	limit = journalPage
	if p.From != "" {
		if from, err = strconv.ParseUint(p.From, 10, 63); err != nil {
			return 0, 0, gateway.Errorf(gateway.Invalid, "from is not the index of an entry")
		}
	}
	if p.Limit != "" {
		if limit, err = strconv.Atoi(p.Limit); err != nil || limit < 1 || limit > maxJournalPage {
			return 0, 0, gateway.Errorf(gateway.Invalid, "limit is not a number from 1 to %d", maxJournalPage)
		}
	}
	return from, limit, nil
}

func localDocument() *huma.OpenAPI {
	return &huma.OpenAPI{
		Info: &huma.Info{
			Title: "Doorstroom local API", Version: Version,
			Description: "What people, adapters and programs can ask of their own node, over its unix socket. " +
				"The roles of the caller decide; every operation is entered in the journal.",
			Contact: &huma.Contact{Name: "Doorstroom", URL: "https://github.com/doorstroom/doorstroom"},
			License: &huma.License{Name: "EUPL-1.2", Identifier: "EUPL-1.2"},
		},
		Components: &huma.Components{SecuritySchemes: map[string]*huma.SecurityScheme{
			"token": {Type: "http", Scheme: "bearer", Description: "token of a caller in the configuration"},
		}},
		Security: []map[string][]string{{"token": {}}},
	}
}

// LocalOpenAPI is the description of the local API, as local.openapi.json in
// this package holds it.
func LocalOpenAPI() ([]byte, error) {
	return newLocalAPI(http.NewServeMux(), nil, nil, slog.New(slog.DiscardHandler)).openAPI(nil)
}
