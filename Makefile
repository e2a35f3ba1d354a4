# rsolv-operator. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
# Names of the two images; push them elsewhere by setting IMAGE_PREFIX.
IMAGE_PREFIX ?= docker.io/rsolv-dev
IMAGE_TAG    ?= dev
APP_IMAGE     ?= $(IMAGE_PREFIX)/rsolv:$(IMAGE_TAG)
MANAGER_IMAGE ?= $(IMAGE_PREFIX)/rsolv-operator:$(IMAGE_TAG)

# Everything that is built once and kept lies here, keyed by version.
export RSOLV_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rsolv-operator
BIN := $(CURDIR)/bin
MONITORING_CRDS = $(RSOLV_CACHE)/monitoring-crds-v1-v1alpha1-$(MONITORING_VERSION)
MONITORING_VERSION = $(shell sed -n 's|.*prometheus-operator/pkg/apis/monitoring \(v[^ ]*\).*|\1|p' go.mod)

# Packages whose goroutines share memory; the race detector watches their tests.
RACED = /(internal/app|internal/flagd|cmd/app)(/|$$)
# What the tests of the operator need in their environment.
TEST_ENV = KUBEBUILDER_ASSETS="$$(go run ./hack/cluster binaries --print-dir)" RSOLV_MONITORING_CRDS="$(MONITORING_CRDS)"
GO_BUILD = go build -trimpath
LDFLAGS = -s -w -X main.version=$(VERSION)

##@ General

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  \033[36m%-15s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Develop

.PHONY: generate
generate: $(BIN)/controller-gen $(BIN)/sqlc ## Regenerate code: deep copies and database queries.
	$(BIN)/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	$(BIN)/sqlc generate

.PHONY: manifests
manifests: $(BIN)/controller-gen $(BIN)/kustomize ## Regenerate CRDs, RBAC and dist/install*.yaml.
	$(BIN)/controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	$(BIN)/controller-gen rbac:roleName=rsolv-operator paths=./controllers/... output:rbac:dir=config/rbac
	mkdir -p dist
	$(BIN)/kustomize build config/default >dist/install.yaml
	$(BIN)/kustomize build config/overlays/cluster-wide >dist/install-cluster-wide.yaml
	$(BIN)/kustomize build config/overlays/webhook >dist/install-webhook.yaml

.PHONY: fmt
fmt: $(BIN)/golangci-lint ## Format the code.
	$(BIN)/golangci-lint fmt ./...

.PHONY: tidy
tidy: ## Tidy the go.mod files.
	go mod tidy
	go -C hack/tools mod tidy
	go -C hack/tools/conformance mod tidy

.PHONY: lint
lint: $(BIN)/golangci-lint ## Lint the code, import walls included.
	$(BIN)/golangci-lint run ./...

.PHONY: build
build: build-app ## Build bin/manager and bin/app, both static.
	CGO_ENABLED=0 $(GO_BUILD) -ldflags "$(LDFLAGS)" -o $(BIN)/manager ./cmd/manager

.PHONY: build-app
build-app:
	@hack/deps.sh gcc
	# The app's parsers are C; linked in statically, they need nothing in the image.
	CGO_ENABLED=1 $(GO_BUILD) -tags netgo,osusergo -ldflags '$(LDFLAGS) -extldflags "-static"' -o $(BIN)/app ./cmd/app

.PHONY: run
run: ## Run the app alone, with a database of its own, at http://localhost:8080.
	@hack/deps.sh postgres gcc
	go run ./cmd/app serve --dev

##@ Check

.PHONY: test
test: assets monitoring-crds ## Unit, golden, API server and database tests.
	@hack/deps.sh postgres promtool amtool gcc
	@hack/deps.sh chromium || echo "the tests in a browser are skipped" >&2
	@hack/deps.sh runners || echo "what they would run is not run" >&2
	$(TEST_ENV) go test -timeout 25m $$(go list ./... | grep -vE '$(RACED)') ./internal/app/analysis/worker
	$(TEST_ENV) go test -race -timeout 25m $$(go list ./... | grep -E '$(RACED)')
	go -C hack/tools test ./...

.PHONY: conformance
conformance: ## Give what is rendered to the code of prometheus-operator, Alertmanager and Grafana.
	@hack/deps.sh promtool amtool
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export RSOLV_RENDERED="$$folder" && \
	  go test -count 1 -run 'TestPromtoolAcceptsRandomBaselines|TestEverySampleHasADashboard|TestAmtoolAcceptsRandomRoutes' ./internal/render/alerts ./internal/render/dashboard ./internal/render/routing && \
	  go -C hack/tools/conformance test -count 1 ./...
	$(if $(OFREP_OPENAPI),go test -count 1 -run '^TestContractIsTheProtocols$$' ./internal/app/web)

.PHONY: e2e
e2e: ## The stories, in a real cluster. RUN=<regexp> runs a part, with -v.
	@go run ./hack/cluster binaries kubectl
	go test -tags e2e -count 1 -timeout 50m $(if $(RUN),-v -run '$(RUN)') ./test/e2e
	$(if $(RUN),,RSOLV_TEST_KILLS=30 go test -count 1 -timeout 15m -run '^TestKill$$' ./cmd/app)

.PHONY: verify
verify: $(BIN)/controller-gen $(BIN)/sqlc $(BIN)/kustomize $(BIN)/govulncheck lint ## Check that generated files are current, the code is clean, and nothing it calls is known to be vulnerable.
	@hack/verify.sh
	@hack/vulncheck.sh

.PHONY: bench
bench: assets monitoring-crds ## Print the figures, one a line.
	@hack/deps.sh postgres promtool gcc
	@$(TEST_ENV) go run ./hack/bench

.PHONY: assets
assets: ## Build the API server and etcd that the tests use, once.
	@go run ./hack/cluster binaries etcd kube-apiserver kubectl

.PHONY: monitoring-crds
monitoring-crds: $(BIN)/controller-gen ## Generate the monitoring CRDs from the prometheus-operator module, once.
	@[ -d "$(MONITORING_CRDS)" ] || { \
	  $(BIN)/controller-gen crd paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1 \
	    paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1alpha1 output:crd:dir="$(MONITORING_CRDS).new" && \
	  mv "$(MONITORING_CRDS).new" "$(MONITORING_CRDS)"; }

.PHONY: print-monitoring-crds
print-monitoring-crds:
	@echo "$(MONITORING_CRDS)"

##@ Try it

.PHONY: demo
demo: ## From nothing to a running app in a real cluster, and what it refuses.
	@go run ./hack/demo

.PHONY: demo-down
demo-down: ## Remove what the demo made.
	@go run ./hack/demo down

.PHONY: cluster-up
cluster-up: ## Start a one-node Kubernetes cluster on this machine (Debian, root).
	@go run ./hack/cluster up

.PHONY: monitoring-up
monitoring-up: cluster-up ## Start prometheus-operator, Prometheus and Alertmanager in it.
	@go run ./hack/cluster monitoring

# Times of the baselines are divided by it.
FACTOR ?= 60
.PHONY: fire-drill
fire-drill: ## Make every alert of API, database and webhooks fire in it, and see who is told.
	@go run ./hack/firedrill -factor $(FACTOR)

.PHONY: cluster-down
cluster-down: ## Stop the cluster and leave nothing behind.
	@go run ./hack/cluster down

##@ Ship

.PHONY: licenses
licenses: ## Write dist/licenses, the notices of what each program is built from.
	@mkdir -p dist/licenses
	@for program in app manager; do go run ./hack/licenses ./cmd/$$program >dist/licenses/$$program.txt; done

# Where the notices lie in an image: crane export IMAGE - | tar -xO licenses/THIRD_PARTY_LICENSES
NOTICES = -file $(CURDIR)/LICENSE=/licenses/LICENSE -file $(CURDIR)/dist/licenses
.PHONY: image
image: build licenses ## Build both images as tarballs in dist/images, with the notices in /licenses.
	@mkdir -p dist/images
	@go -C hack/tools run ./image -binary $(BIN)/app -entrypoint /app $(NOTICES)/app.txt=/licenses/THIRD_PARTY_LICENSES -name $(APP_IMAGE) -o $(CURDIR)/dist/images/app.tar
	@go -C hack/tools run ./image -binary $(BIN)/manager -entrypoint /manager $(NOTICES)/manager.txt=/licenses/THIRD_PARTY_LICENSES -name $(MANAGER_IMAGE) -o $(CURDIR)/dist/images/manager.tar

.PHONY: push
push: image $(BIN)/crane ## Push both images to IMAGE_PREFIX.
	$(BIN)/crane push dist/images/app.tar $(APP_IMAGE)
	$(BIN)/crane push dist/images/manager.tar $(MANAGER_IMAGE)

.PHONY: install
install: manifests ## Install the CRDs into the cluster of the current context.
	kubectl apply --server-side -k config/crd

.PHONY: uninstall
uninstall: ## Remove the CRDs, and with them every object of the three kinds.
	kubectl delete --ignore-not-found -k config/crd

.PHONY: deploy
deploy: manifests ## Install CRDs and manager (MANAGER_IMAGE) into the cluster of the current context.
	sed 's|docker.io/rsolv-dev/rsolv-operator:dev|$(MANAGER_IMAGE)|' dist/install.yaml | kubectl apply --server-side -f -

.PHONY: undeploy
undeploy: ## Remove the manager and its rights. CRDs, your objects and the running app stay; see uninstall.
	kubectl delete --ignore-not-found -k config/manager
	kubectl delete --ignore-not-found -k config/rbac
	kubectl delete --ignore-not-found -f config/default/role_binding.yaml

.PHONY: clean
clean: ## Remove what was built here; the cache under ~/.cache stays.
	rm -rf bin dist/images

# Tools are pinned in hack/tools/go.mod.
$(BIN)/controller-gen $(BIN)/golangci-lint $(BIN)/kustomize $(BIN)/sqlc $(BIN)/crane $(BIN)/govulncheck: hack/tools/go.mod
	@echo "building $(@F)" >&2
	@GOBIN=$(BIN) go -C hack/tools install tool
	@touch $(BIN)/controller-gen $(BIN)/golangci-lint $(BIN)/kustomize $(BIN)/sqlc $(BIN)/crane $(BIN)/govulncheck
