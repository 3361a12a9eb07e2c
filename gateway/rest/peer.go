package rest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/doorstroom/doorstroom/gateway"
)

// Exchange is what the peer API asks of a node.
type Exchange interface {
	// Accept answers every message of the batch with a receipt item.
	Accept(ctx context.Context, peer gateway.OIN, batch gateway.Batch) (gateway.Receipts, error)
	// Hello takes a peer's signed hello and answers this node's.
	Hello(ctx context.Context, peer gateway.OIN, token string) (string, error)
	// RegisterFile is the signed register of a version, 0 being the one in force.
	RegisterFile(ctx context.Context, version uint64) ([]byte, error)
}

// PeerOf says which party of the register is at the other end of a connection;
// the state is nil for a connection without TLS.
type PeerOf func(*tls.ConnectionState) (gateway.OIN, error)

// HelloToken carries a hello, or the answer to one: a compact JWS over a
// gateway.Hello.
type HelloToken struct {
	Hello string `json:"hello"`
}

// NewPeerHandler is the API that other nodes call. Who calls is known from the
// connection before anything of the request is read.
func NewPeerHandler(ex Exchange, wit Witness, letters Letters, peerOf PeerOf, limits Limits, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	newPeerAPI(mux, ex, wit, letters, limits, log)
	return frame(log, identified(peerOf, log, perPeer(limits, bodies(limits, routes(mux)))))
}

func newPeerAPI(mux *http.ServeMux, ex Exchange, wit Witness, letters Letters, limits Limits, log *slog.Logger) api {
	a := newAPI(mux, log, peerDocument())
	post(a, huma.Operation{
		OperationID: "sendMessages",
		Path:        pathMessages,
		Summary:     "Deliver a batch of messages",
		Description: "Every message gets its own receipt item, in the order of the batch; one bad message never blocks another. " +
			"A message that was received before gets the same item again. The answer is given after the outcome is on disk.",
		Tags: []string{"exchange"},
	}, nil, func(ctx context.Context, batch gateway.Batch) (gateway.Receipts, error) {
		if len(batch.Messages) == 0 {
			return gateway.Receipts{}, gateway.Errorf(gateway.Invalid, "messages is empty; a batch has at least one")
		}
		if len(batch.Messages) > limits.BatchItems {
			return gateway.Receipts{}, newProblem(http.StatusRequestEntityTooLarge, "the batch has more messages than this node accepts")
		}
		return ex.Accept(ctx, peerIn(ctx), batch)
	})
	post(a, huma.Operation{
		OperationID: "exchangeHello",
		Path:        pathHello,
		Summary:     "Exchange hello",
		Description: "Sent at start and whenever something in it changes. It says which protocol, message types and code lists " +
			"a node serves, which register it has, and what it holds of the other.",
		Tags: []string{"exchange"},
	}, nil, func(ctx context.Context, in HelloToken) (HelloToken, error) {
		if in.Hello == "" {
			return HelloToken{}, gateway.Errorf(gateway.Invalid, "hello is empty; it is a compact JWS")
		}
		answer, err := ex.Hello(ctx, peerIn(ctx), in.Hello)
		return HelloToken{answer}, err
	})
	get(a, huma.Operation{
		OperationID: "getRegister",
		Path:        pathRegister,
		Summary:     "Get the register of participants",
		Description: "The signed register that this node has in force, to be verified by who fetches it.",
		Tags:        []string{"register"},
	}, []int{http.StatusNotFound}, func(ctx context.Context, _ noInput) (fileOutput, error) {
		file, err := ex.RegisterFile(ctx, 0)
		return fileOutput{typeJOSE, file}, err
	})
	get(a, huma.Operation{
		OperationID: "getRegisterVersion",
		Path:        pathVersion,
		Summary:     "Get one version of the register",
		Description: "For who has missed versions: each is verified as the successor of the one before it.",
		Tags:        []string{"register"},
	}, []int{http.StatusBadRequest, http.StatusNotFound}, func(ctx context.Context, in versionInput) (fileOutput, error) {
		version, err := strconv.ParseUint(in.Version, 10, 64)
		if err != nil || version == 0 || in.Version[0] == '0' {
			return fileOutput{}, gateway.Errorf(gateway.Invalid, "the version of a register is a whole number from 1")
		}
		file, err := ex.RegisterFile(ctx, version)
		return fileOutput{typeJOSE, file}, err
	})
	for _, path := range []string{pathRegister, pathVersion} {
		a.OpenAPI().Paths[path].Get.Responses["200"].Content = map[string]*huma.MediaType{
			typeJOSE: {Schema: &huma.Schema{Type: huma.TypeObject, Description: "JWS in JSON serialisation (RFC 7515, 7.2)"}},
		}
	}
	a.OpenAPI().Paths[pathVersion].Get.Parameters[0].Schema = &huma.Schema{Type: huma.TypeInteger, Minimum: new(1.0)}
	witnessRoutes(a, wit)
	letterRoutes(a, letters)
	allotmentLetterRoutes(a, letters)
	return a
}

type versionInput struct {
	Version string `path:"version" doc:"number of the version, from 1"`
}

type fileOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type peerKey struct{}

// peerIn is the party that identified found; without it, a handler was wired
// wrongly.
func peerIn(ctx context.Context) gateway.OIN {
	peer, ok := ctx.Value(peerKey{}).(gateway.OIN)
	if !ok {
		panic("a request reached the peer API without a peer")
	}
	return peer
}

// identified lets only parties of the register in.
func identified(peerOf PeerOf, log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		peer, err := peerOf(r.TLS)
		if err != nil {
			w.Header().Set("Connection", "close") // a revoked peer does not keep its connection
			writeProblem(w, problemOf(r.Context(), log, err))
			return
		}
		observedIn(r.Context()).Peer = peer
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, peer)))
	})
}

func peerDocument() *huma.OpenAPI {
	return &huma.OpenAPI{
		Info: &huma.Info{
			Title:   "Doorstroom peer API",
			Version: Version,
			Description: "How nodes of gemeenten and leerwerkbedrijven exchange messages. Every connection is mutually " +
				"authenticated TLS; both certificates are bound to the signed register of participants.",
			Contact: &huma.Contact{Name: "Doorstroom", URL: "https://github.com/doorstroom/doorstroom"},
			License: &huma.License{Name: "EUPL-1.2", Identifier: "EUPL-1.2"},
		},
		Servers: []*huma.Server{{
			URL:         "https://{node}",
			Description: "the endpoint of a party in the register",
			Variables:   map[string]*huma.ServerVariable{"node": {Default: "node.example:8443"}},
		}},
		Components: &huma.Components{SecuritySchemes: map[string]*huma.SecurityScheme{
			"mtls": {Type: "mutualTLS", Description: "a certificate pinned in, or chained to an anchor of, the register"},
		}},
		Security: []map[string][]string{{"mtls": {}}},
		Tags: []*huma.Tag{
			{Name: "exchange", Description: "messages, receipts and hello"},
			{Name: "register", Description: "who takes part"},
			{Name: "witness", Description: "parties keep each other's journals honest"},
			{Name: "policy", Description: "policies that a person at another party approves"},
			{Name: "allotments", Description: "places that parties release to others"},
		},
	}
}

// peerDescriptions explains what the types of the domain cannot.
func peerDescriptions() map[string]map[string]string {
	return map[string]map[string]string{
		"Batch":        {"messages": "compact JWS (RFC 7515), one per message: an NL GOV CloudEvent signed with a key of the register"},
		"LetterToken":  {"letter": "compact JWS over a letter (sections 13 and 14 of the protocol)"},
		"LetterAnswer": {"letter": "compact JWS over a letter (section 14 of the protocol), where one answers"},
		"HelloToken":   {"hello": "compact JWS over what the node serves and holds"},
		"Receipts": {
			"head":  "compact JWS over issuer, audience, size, root and time; root is the RFC 6962 tree hash over items",
			"items": "one per message, in the order of the batch",
		},
		"ReceiptItem": {
			"sender":    "OIN of who sent the message",
			"recipient": "OIN of who answers",
			"id":        "id of the message",
			"digest":    "SHA-256 of the signed payload bytes, lower-case hex",
			"outcome":   "received, superseded, refused (for good), retry-later or unsupported",
			"reason":    "code that says why, where it is not received",
			"received":  "when the message was first received; whole seconds, UTC",
		},
		"Problem": {
			"type":     "about:blank: the status says what kind of problem it is",
			"title":    "the HTTP status in words",
			"status":   "the HTTP status",
			"detail":   "what is wrong with this request",
			"instance": "reference under which the log of the node tells more",
			"errors":   "all that is wrong, where that is more than one thing",
		},
		"Detail": {"detail": "one of the things that are wrong"},
		"WitnessRequest": {
			"old":        "size of the head, held by the witness, from which the proof leads; 0: none",
			"proof":      "RFC 6962 consistency proof from old to the checkpoint, base64; at most 63 hashes",
			"checkpoint": "C2SP tlog-checkpoint, signed with the party's key in the register",
			"restore":    "the entry that tells of a restore, where there was one since that head",
		},
		"RestoreProof": {
			"entry": "number of the entry, from 0",
			"leaf":  "the entry itself, base64",
			"path":  "RFC 6962 inclusion proof to the root of the checkpoint, base64",
		},
		"WitnessAnswer": {
			"outcome":     "cosigned, conflict (send again from size), rollback or inconsistent (refused)",
			"size":        "of the head from which a proof must lead; after cosigned that of the checkpoint",
			"incarnation": "of the newest head that the witness holds",
			"cosignature": "one signature line of C2SP tlog-cosignature, type Ed25519",
		},
		"WitnessHeads": {"heads": "what the witness cosigned, by incarnation and size"},
		"StoreHead": {
			"incarnation": "of the database of the party",
			"size":        "entries of the journal",
			"time":        "when it was cosigned last",
			"checkpoint":  "the signed note",
			"abandoned":   "the journal went on from an earlier place since, after a restore",
		},
	}
}

// OpenAPI is the description of the peer API, as openapi.json in this package
// holds it.
func OpenAPI() ([]byte, error) {
	a := newPeerAPI(http.NewServeMux(), nil, nil, nil, Limits{}, slog.New(slog.DiscardHandler))
	return a.openAPI(peerDescriptions())
}
