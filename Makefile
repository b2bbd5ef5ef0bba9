# Everything a contributor types. `make` alone lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Tools are built from the pinned modules below tools/ and kept; a changed go.mod builds them again.
TOOLS := $(CURDIR)/.tools

.PHONY: help
help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/dispatcher, one static binary
	CGO_ENABLED=0 go build -trimpath -ldflags "$(LDFLAGS)" -o bin/dispatcher ./cmd/dispatcher

# The program owns the terminal, so that Ctrl-C is its to answer and make ends as it does.
.PHONY: run
run: build ## Run the dispatcher with example events; needs nothing but Go
	@CGO_ENABLED=0 go build -o $(TOOLS)/foreground ./scripts/foreground
	@exec $(TOOLS)/foreground bin/dispatcher dev --demo

# Two packages at a time: each may drive the shared services hard.
.PHONY: test
test: services-up ## Run all tests on real services; installs what it needs on Debian
	@scripts/test-deps.sh
	@mkdir -p $(TOOLS) && go build -o $(TOOLS)/gotest ./scripts/gotest
	@$(TOOLS)/gotest -race -shuffle=on -count=1 -p 2 -timeout 25m ./...

.PHONY: docs-test
docs-test: services-up ## Run what docs/receiving.md and docs/publishing.md show
	@scripts/test-deps.sh docs
	@mkdir -p $(TOOLS) && go build -o $(TOOLS)/gotest ./scripts/gotest
	@$(TOOLS)/gotest -count=1 ./internal/docstest

# Without the race detector, which make test has: the days of ten seeds take it too long.
.PHONY: simulation
simulation: ## Run days of retries through seeds of faults in fake time (SIM_SEEDS=100 for more)
	@go test -count=1 -timeout 1h -run TestSimulation ./internal/simulation

CHECKS := check-format check-modules check-vet check-fix check-lint check-deadcode check-chart

.PHONY: check $(CHECKS)
check: $(CHECKS) ## Check format, modules, lint, dead code and the chart
	@echo 'check: fine'

check-format:
	@echo 'check: gofmt'; unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
		[ -z "$$unformatted" ] || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }

check-modules:
	@echo 'check: go mod'; go mod verify >/dev/null && go mod tidy -diff

check-vet:
	@echo 'check: go vet'; go vet ./...

check-fix:
	@echo 'check: go fix'; go fix -diff ./...

check-lint: $(TOOLS)/lint.built
	@echo 'check: golangci-lint'; $(TOOLS)/golangci-lint run ./...

check-deadcode: $(TOOLS)/lint.built
	@echo 'check: deadcode'; dead=$$($(TOOLS)/deadcode -test ./...) && [ -z "$$dead" ] || { echo "$$dead"; exit 1; }

check-chart: $(TOOLS)/helm.built $(TOOLS)/kube.built
	@if [ -e scripts/check-chart.sh ]; then echo 'check: chart'; PATH="$(TOOLS):$$PATH" scripts/check-chart.sh; fi

.PHONY: fmt
fmt: ## Format the Go code
	@gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: api-fuzz
api-fuzz: services-up ## Try the API out by its OpenAPI document for minutes (API_FUZZ=10m)
	@scripts/test-deps.sh
	@API_FUZZ=$${API_FUZZ:-10m} go test -v -count=1 -timeout 24h -run TestOpenAPIDocument ./internal/e2e

.PHONY: bench
bench: build services-up ## Measure CPU per delivery and deliveries per second
	@scripts/bench.sh

# LOAD is given to the program: LOAD='-scenario holes -quick'.
.PHONY: load
load: build services-up ## Measure what dead, flooded, waiting and very many webhooks cost (hours)
	@scripts/load.sh $(LOAD)

.PHONY: chaos
chaos: build $(TOOLS)/toxiproxy ## Break real processes at random under load and prove that nothing is lost
	@go build -o bin/chaos ./scripts/chaos
	@exec bin/chaos -rounds $${CHAOS_ROUNDS:-5} -seed $${CHAOS_SEED:-0} $(CHAOS_FLAGS)

.PHONY: govulncheck
govulncheck: $(TOOLS)/lint.built ## Look for known vulnerabilities (asks vuln.go.dev)
	@$(TOOLS)/govulncheck ./...

.PHONY: services-up
services-up: ## Start real Kafka, Redis and PostgreSQL for tests
	@scripts/services.sh up

.PHONY: services-down
services-down: ## Stop them and remove their data
	@scripts/services.sh down
	@for own in breakable chaos; do \
		[ ! -d .services/$$own ] || SERVICES_DIR=.services/$$own scripts/services.sh down >/dev/null || exit 1; done

.PHONY: clean
clean: services-down ## Stop the services and remove all that was built or fetched
	rm -rf bin dist $(TOOLS) .services coverage.out

$(TOOLS)/toxiproxy: tools/toxiproxy/go.mod tools/toxiproxy/go.sum
	@echo 'building toxiproxy'
	@CGO_ENABLED=0 go -C tools/toxiproxy build -trimpath -ldflags '-s -w' -o $@ github.com/Shopify/toxiproxy/v2/cmd/server

# All tools of a module at once; `tool` means the module's tool lines.
$(TOOLS)/%.built: tools/%/go.mod tools/%/go.sum
	@echo 'building tools/$*'
	@mkdir -p $(TOOLS) && CGO_ENABLED=0 go -C tools/$* build -trimpath -ldflags '-s -w' -o $(TOOLS)/ tool
	@touch $@
