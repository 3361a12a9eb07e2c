# Doorstroom. Needs Go and make, nothing else.

GO     ?= go
CYCLES ?= 200
IMAGES ?= 20000

.DEFAULT_GOAL := build
.PHONY: build demo test check generate monitoring model bench crash powercut oracle clean

build: ## the static binary, in bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/ ./cmd/...

demo: build ## a region of six nodes on this machine; Ctrl-C ends it
	bin/doorstroom demo

# Where goroutines meet; the rest is pure. Of the exchange, the federations in
# which most happens at once: weeks of virtual time are dear under the detector.
CONCURRENT = ./gateway/store ./gateway/desk ./gateway/identity ./gateway/node
FEDERATION = ^(TestEachRecipient|TestLostAnswers|TestNarrowed|TestRestarts|TestRefused|TestBad)
# Of those, what one goroutine does by itself at length: the detector has nothing to see.
ALONE = ^(TestSearchFindsWhatReadingFinds|TestFlippedBits|TestCleanEndWithACircle|TestFaultsInPairs|TestSlotsOfManySubjects|TestMakeGolden|TestGoldenFormats)$$

test: ## everything, then what is concurrent under the race detector; no test may skip
	$(GO) run .ci/test.go -timeout=10m ./...
	$(GO) run .ci/test.go -race -short -timeout=10m -skip='$(ALONE)' $(CONCURRENT)
	$(GO) run .ci/test.go -race -short -timeout=10m -run='$(FEDERATION)' ./gateway/exchange ./gateway/rest

check: bin/staticcheck ## format, vet, staticcheck, layering, generated files
	@unformatted=$$(gofmt -l cmd gateway schemas adapters policies .ci); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:" $$unformatted; exit 1; fi
	$(GO) vet ./...
	$(GO) vet .ci/test.go
	bin/staticcheck ./...
	$(GO) run .ci/test.go -run='^(TestLayering|TestGenerated)' ./...

bin/staticcheck: .ci/tools/go.mod
	$(GO) -C .ci/tools build -o $(CURDIR)/bin/staticcheck honnef.co/go/tools/cmd/staticcheck

generate: ## writes anew what is generated and committed
	$(GO) test -run='^TestGenerated' ./gateway ./gateway/config ./gateway/node ./gateway/rest ./cmd/doorstroom -update

monitoring: ## the alert rules under Prometheus's promtool, where that is installed
	@if command -v promtool >/dev/null; then promtool check rules docs/monitoring/alerts.yaml && \
		promtool test rules docs/monitoring/alerts_test.yaml; \
	else echo "promtool is not installed: it comes with Prometheus (Debian: apt install prometheus)"; exit 1; fi

model: ## every order of events between the two sides of a referral, by the model checker spin, and in Go itself; some minutes, 1 GB
	docs/model/check.sh
	$(GO) test -count=1 -v -run='^TestRestoredReferralConverges$$' ./gateway -events=8
	$(GO) test -count=1 -v -run='^TestReferralConvergesAfterRestores$$' ./gateway -rapid.checks=20000
	$(GO) test -count=1 -v -run='^TestReferralsConvergeAfterRestores$$' ./gateway/store -rapid.checks=2000

SECONDS ?= 60
bench: build ## what each part costs, then what two nodes do together (docs/performance.md)
	$(GO) test -run='^$$' -bench=. -benchmem ./...
	bin/doorstroom-bench --seconds=$(SECONDS) --profile

crash: ## two processes under load, killed CYCLES times at random moments; and in every step of 25 referrals
	$(GO) test -count=1 -timeout=2h -v -run='^TestCrash' ./cmd/doorstroom -cycles=$(CYCLES) -referrals=25

powercut: ## what IMAGES power cuts leave on the disks of two nodes under load; needs strace
	$(GO) test -count=1 -timeout=2h -v -run='^TestPowerCut$$' ./cmd/doorstroom -images=$(IMAGES) -publishes=120

oracle: ## what policy decides, on a million drawn requests, against Cedar
	$(GO) test -count=1 -timeout=2h -v -run='^TestCedar' ./gateway/policy -rapid.checks=10000

clean:
	rm -rf bin demo
