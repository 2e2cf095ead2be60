# Short recipes; the work is in scripts/ and tests/. `make help` lists them.
# Where rustup and Go's own installer put their programs, for shells that do not know.
export PATH := $(PATH):$(HOME)/.cargo/bin:/usr/local/go/bin
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-oms demo-down test test-all test-handover test-gitops conformance trace bench bench-agent bench-control fmt lint generate site images

help: ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Install what is needed on a fresh Debian 12 machine
	scripts/setup.sh

demo: ## An upgrade of a sample installation, live. FAIL=init|hang|console|crash|kill|pull, THEN=rollback, ENGINE=seekdb|mariadb
	tests/demo/demo up

demo-oms: ## Only the ground of the demo: a cluster with MetaDB and OMS 3.3.1-ce, to try things by hand
	tests/demo/demo oms

demo-down: ## Remove the demo's cluster
	tests/demo/demo down

test: ## Everything a change has to pass
	scripts/run-stages

test-all: ## The full set, where `make test` takes samples
	scripts/run-stages --all

test-handover: ## Upgrades that the operator of an older revision began are finished by the present one. FROM=REV, PROFILE=dev
	$(if $(FROM),,$(error which operator is to begin? make test-handover FROM=REV))
	tests/e2e/run --from-revision $(FROM) --profile $(or $(PROFILE),dev)

conformance: ## Two real images of OMS against what is taken to be true of it. OLD=image, NEW=image, METADB=seekdb|mariadb|mysql://USER@HOST:PORT
	$(if $(and $(OLD),$(NEW)),,$(error which images? make conformance OLD=image NEW=image METADB=mariadb; docs/conformance.md tells the rest))
	tests/conformance/conform --old $(OLD) --new $(NEW) --metadb $(or $(METADB),mariadb) --runtime $(or $(RUNTIME),docker) $(OPTIONS)

test-gitops: ## OMS under the real Argo CD and the real Flux, both built here once. ONLY=flux-abort, PROFILE=dev
	tests/gitops/run --profile $(or $(PROFILE),dev) $(if $(ONLY),--only $(ONLY))

trace: ## Write the ways through the procedure, step by step, to tests/traces
	UPDATE_GOLDEN=1 cargo test --quiet --locked --test brain traces

bench: ## The operator against the procedure by hand, in one run
	tests/bench/run

bench-agent: ## Dump, verification and restore beside the plain clients on the same servers. SIZE_MB=300
	SIZE_MB=$(or $(SIZE_MB),300) cargo test --release --locked --test agent -- bench:: --ignored --nocapture --test-threads 1

bench-control: ## What many objects at once cost: seconds, memory, calls. OBJECTS=1000, PROFILE=release, CHECK=--check
	tests/bench/control --objects $(or $(OBJECTS),1000) --profile $(or $(PROFILE),release) $(CHECK)

fmt: ## Format the sources
	cargo fmt

lint: ## Clippy, the chart, licences
	scripts/run-stages --only format,clippy,chart,deny

generate: ## Write the definition, its copy in the chart, install.yaml, the table of values, the pictures
	scripts/generate.sh

site: ## The site of the documents, in .cache/site/html
	scripts/site.py

images: ## Build the images of operator and tools
	scripts/build-images.sh
