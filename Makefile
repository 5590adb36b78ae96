# make help lists the targets. What CI does stands in .ci/run, so that both do the same.
.DEFAULT_GOAL := help
.PHONY: help build test race lint fmt fuzz guards bench bench-rivals drill ci tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the binary into .bin/catalogue
	go build -trimpath -o .bin/catalogue ./cmd/catalogue

test: ## run the tests
	go test ./...

race: ## run the tests under the race detector
	.ci/run race

lint: ## run the linter (installs it into .bin)
	.ci/run lint

fmt: tools ## bring the code into the house's form
	.bin/golangci-lint fmt ./...

fuzz: ## fuzz every target for FUZZTIME each (5s)
	.ci/run fuzz

guards: ## remove each guard of the deletion rules in turn: a test must notice
	go run ./cmd/internal/mutations

bench: build ## measure the table of docs/PERFORMANCE.md (BENCH: rows and flags of catalogue bench)
	.bin/catalogue bench $(BENCH)

bench-rivals: build ## measure PostgreSQL on the same job and show the ratios (see docs/PERFORMANCE.md)
	cmd/internal/bench/rivals/run.sh $(RIVALS)

drill: ## rehearse the April 2022 job on scratch data
	go run ./cmd/catalogue drill

ci: ## everything that CI runs
	.ci/run

tools: ## install the pinned tools into .bin
	.ci/run tools

clean: ## remove what was built
	rm -rf .bin
