# What a person needs: make run, make test. Everything else is for those who work on the project.

GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0
# 'make run HOST=func' runs the staged apps in the real Functions host (Azure Functions Core Tools on PATH)
HOST ?= standin
# 'make run SOURCE=sftp' runs the sample day as the vendor's ZIPs, through an SFTP server; landing: through a container
SOURCE ?= telemessage
unexport SOURCE
# 'make soak SOAK=3/80' runs the third of eighty shares of the long tests; SEED=n repeats a failure
SOAK ?= all
SEED ?= 0
# The tests that have a long form, each with its package. A share of the long tests has one of them, in rotation.
LONG = \
	TestHourOfImports@./shared/mailbox \
	TestHourOfUploads@./shared/mailbox \
	TestHostileInEveryField@./shared/message \
	TestHostileLengths@./shared/message \
	TestHostileMessages@./shared/source/delivery \
	TestLondon@./shared/message \
	TestDay@./local \
	TestDayInTheRealHost@./local \
	TestAttachmentIsResumed@./handlers/fetch/internal/collector \
	TestCheckpointCanBeRead@./handlers/fetch/internal/collector \
	TestKilledAtEveryWrite@./handlers/fetch/internal/collector \
	TestPartsTooLargeForOneEntry@./handlers/fetch/internal/collector \
	TestEveryCallOfADelivery@./handlers/fetch/internal/deliveries \
	TestHostileDelivery@./handlers/fetch/internal/deliveries \
	TestKilledAtEveryCallOfTheStore@./handlers/fetch/internal/deliveries \
	TestKilledAtEveryRead@./handlers/fetch/internal/deliveries \
	TestKilledAtEveryWrite@./handlers/fetch/internal/deliveries \
	TestManyListed@./handlers/fetch/internal/deliveries \
	TestSevenYears@./handlers/fetch/internal/deliveries \
	TestFirstRecordWins@./handlers/import \
	TestFrozenAtAnyWrite@./handlers/import \
	TestGraphFailsUnderAFile@./handlers/import \
	TestHostileInTheMailbox@./handlers/import \
	TestHostileLengthIsArchived@./handlers/import \
	TestKilledAtAnyCall@./handlers/import \
	TestStoppedProcess@./handlers/import \
	TestStorageFails@./handlers/import \
	TestTotalsKilledAtEveryWrite@./handlers/import \
	TestTotalsOfRandomDays@./handlers/import

# the one whose turn it is in the share SOAK
TURN = $(subst @, ,$(word $(shell expr \( $(firstword $(subst /, ,$(SOAK))) - 1 \) % $(words $(LONG)) + 1),$(LONG)))
space := $(subst ,, )

# The staged handlers are built like this; with the same settings here, the Graph SDK (minutes of compiling) is compiled once.
run check: export GOFLAGS += -trimpath
run check: export CGO_ENABLED = 0

# A program that was built to detect races sleeps for a second when it ends. The tests start hundreds.
test: export GORACE = atexit_sleep_ms=0

.PHONY: run test soak package check vuln bench parsers clean

run: ## the whole connector on this machine, with a sample day
	$(GO) run ./local -host $(HOST) -source $(SOURCE)

test: ## all tests, with real Azurite; in the real Functions host too if func is on PATH
	$(GO) test -race -vet=off -timeout 30m -p 2 $$($(GO) list ./... | grep -v '/local/chaos$$') # make check vets
	@command -v func >/dev/null || echo "make test: left out: the end-to-end tests in the real Functions host (func, Azure Functions Core Tools, is not on PATH)"
	@command -v bicep >/dev/null || echo "make test: left out: what the deployment would make (bicep is not on PATH)"
	@command -v shellcheck >/dev/null || echo "make test: left out: the check of the scripts (shellcheck is not on PATH)"
	@[ -x /usr/sbin/sshd ] && [ "$$(id -u)" = 0 ] || [ -n "$$SSHD" ] || echo "make test: left out: SFTP by OpenSSH's sshd (openssh-server is not installed, or this is not root)"

package: ## build/<app>/ and build/<app>.zip, as they are deployed, with checksums and a list of what is linked in
	$(GO) run ./local/appbuild/cmd

check: ## formatting, vet, staticcheck, tidy modules; known vulnerabilities are make vuln's
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

vuln: ## known vulnerabilities; needs the Go vulnerability database at vuln.go.dev
	$(GO) run $(GOVULNCHECK) ./...

bench: ## figures next to the limits; BENCH=-check fails where one does not hold
	$(GO) run ./local/bench $(BENCH)

soak: ## every call with every fault, kills, outages, whole days; SOAK=k/n is one share
ifneq (,$(findstring /,$(SOAK)))
	SOAK=all SEED=$(SEED) $(GO) test -v -timeout 24h -run '^$(word 1,$(TURN))$$' $(word 2,$(TURN))
	SOAK=$(SOAK) SEED=$(SEED) $(GO) test -v -timeout 24h ./local/chaos
else
	SOAK=$(SOAK) SEED=$(SEED) $(GO) test -v -timeout 24h -p 1 \
		-run '^($(subst $(space),|,$(foreach l,$(LONG),$(word 1,$(subst @, ,$(l)))))|TestLong|TestEveryCallWithEveryFault)$$' \
		$(sort $(foreach l,$(LONG),$(word 2,$(subst @, ,$(l))))) ./local/chaos
endif

parsers: ## the golden messages through parsers that nobody here wrote: Python's, and notmuch
	local/parsers/check -self
	local/parsers/check

clean:
	rm -rf build
