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
	TestManyOnSFTP@./handlers/fetch/internal/deliveries \
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
	TestTotalsOfRandomDays@./handlers/import \
	TestEveryRouteInTheRealHost@./handlers/portal \
	TestFormsSentTwice@./handlers/portal

# The race detector makes tests up to ten times as slow, and a race takes two goroutines. The code of these packages
# starts none, so their tests run without it; their callers' run with it.
SERIAL = \
	. \
	./handlers/fetch/internal/collector \
	./handlers/fetch/internal/firsts \
	./handlers/fetch/internal/longsms \
	./handlers/fetch/internal/schedule \
	./infra \
	./infra/proof \
	./infra/unmapped \
	./local/appbuild \
	./local/appbuild/cmd \
	./local/inspect \
	./local/sample \
	./local/soak \
	./local/summary \
	./local/vendorday \
	./shared/jsonscan \
	./shared/message \
	./shared/phone \
	./shared/record \
	./shared/report \
	./shared/settings \
	./shared/source \
	./shared/source/delivery \
	./shared/source/delivery/mimeread \
	./shared/source/delivery/zipread \
	./shared/source/telemessage \
	./shared/source/telemessage/client \
	./shared/tally \
	./shared/usermap

# Their tests that start goroutines, or are about a lease that is renewed meanwhile: with it as well.
RACED = \
	TestAttachmentsNeverDelayTexts@./handlers/fetch/internal/collector \
	TestDay@./handlers/fetch/internal/collector \
	TestDeadline@./handlers/fetch/internal/collector \
	TestLeaseIsLost@./handlers/fetch/internal/collector \
	TestSecondFetchIsBusy@./handlers/fetch/internal/collector \
	TestTimeIsUpWhileThePasswordIsRead@./handlers/fetch/internal/collector \
	TestHoldsLittle@./shared/message \
	TestWriteTwiceAtOnce@./shared/message \
	TestE164IsSafeFromManyGoroutines@./shared/phone \
	TestReadsAreFew@./shared/source/delivery/zipread \
	TestResolveFromManyGoroutines@./shared/usermap

# Tests of the other packages that run without it: large or many inputs, one flow again for each of its calls, and
# whole days, whose handlers are processes of their own.
UNRACED = \
	TestBombOfEntries@./handlers/fetch/internal/deliveries \
	TestCopyFromASlowSource@./handlers/fetch/internal/deliveries \
	TestCopyOverSeveralRuns@./handlers/fetch/internal/deliveries \
	TestEveryCallOfADelivery@./handlers/fetch/internal/deliveries \
	TestHostileDelivery@./handlers/fetch/internal/deliveries \
	TestImportKilledAtEveryWrite@./handlers/fetch/internal/deliveries \
	TestKilledAtEveryCallOfTheStore@./handlers/fetch/internal/deliveries \
	TestKilledAtEveryRead@./handlers/fetch/internal/deliveries \
	TestKilledAtEveryWrite@./handlers/fetch/internal/deliveries \
	TestLandingOnAzurite@./handlers/fetch/internal/deliveries \
	TestLargeMessage@./handlers/fetch/internal/deliveries \
	TestManyListed@./handlers/fetch/internal/deliveries \
	TestManyOnSFTP@./handlers/fetch/internal/deliveries \
	TestPartIsDiscarded@./handlers/fetch/internal/deliveries \
	TestServerIsAwayForThreeWeeks@./handlers/fetch/internal/deliveries \
	TestSevenYears@./handlers/fetch/internal/deliveries \
	TestTurnsOfALargeZIP@./handlers/fetch/internal/deliveries \
	TestAPassingRefusalUnderAFile@./handlers/import \
	TestArchiveOfEarlierVersionIsFinished@./handlers/import \
	TestBrokenReplayIsSwept@./handlers/import \
	TestChecksLeaveTimeForTheSweep@./handlers/import \
	TestGraphFailsUnderAFile@./handlers/import \
	TestHostileInTheMailbox@./handlers/import \
	TestHostileLengthIsArchived@./handlers/import \
	TestItemWithManyAddresses@./handlers/import \
	TestLargeAttachments@./handlers/import \
	TestLargeItemIsArchived@./handlers/import \
	TestLimitsOfAMailbox@./handlers/import \
	TestLinesThatAreNoRecordsAreQuarantined@./handlers/import \
	TestLongTextIsNoHTML@./handlers/import \
	TestNoEvents@./handlers/import \
	TestOversizeStaysOversizeAfterACrash@./handlers/import \
	TestReplayByCommandKilledAtEveryWrite@./handlers/import \
	TestStuckBatchesBlockNoOther@./handlers/import \
	TestSweepFindsRunsHoweverOld@./handlers/import \
	TestSweepIsKilled@./handlers/import \
	TestTextInTheMailboxIsTheMessages@./handlers/import \
	TestTotalsKilledAtEveryWrite@./handlers/import \
	TestTotalsOfRandomDays@./handlers/import \
	TestWhatABatchCosts@./handlers/import \
	TestEveryRouteInTheRealHost@./handlers/portal \
	TestFormsSentTwice@./handlers/portal \
	TestChangeKilledAtEachWrite@./handlers/portal/internal/setup \
	TestChangeSourceKilledAtEachWrite@./handlers/portal/internal/setup \
	TestFinishKilledAtEachWrite@./handlers/portal/internal/setup \
	TestMappingKilledAtEachWrite@./handlers/portal/internal/setup \
	TestTwoChangeKilledAtEachWrite@./handlers/portal/internal/setup \
	TestTwoFinishKilledAtEachWrite@./handlers/portal/internal/setup \
	TestCommandsOfTheBuiltApps@./local \
	TestDay@./local \
	TestDayInTheRealHost@./local \
	TestGivenServer@./local \
	TestMappingIsReadFirst@./local \
	TestMappingOfStrangersIsReported@./local \
	TestSampleDayIsKept@./local \
	TestTrouble@./local \
	TestZipsRunInTheRealHost@./local \
	TestDeliveredZIP@./local/bench \
	TestItems@./local/bench \
	TestRun@./local/bench \
	TestExportHoldsNoAttachment@./local/export \
	TestLandingListsManyFiles@./shared/archive \
	TestManifest@./shared/archive \
	TestArchiveWritesAsAzurite@./shared/archivetest \
	TestBlocksOfALog@./shared/archivetest \
	TestKilledAtEveryWrite@./shared/audit \
	TestFitsBody@./shared/mailbox \
	TestHourOfImports@./shared/mailbox \
	TestHourOfUploads@./shared/mailbox \
	TestImportHTMLWithPictures@./shared/mailbox \
	TestImportTooLarge@./shared/mailbox \
	TestLongQueueBesideShortOnes@./shared/mailbox \
	TestOthersAreAsFastAsEver@./shared/mailbox \
	TestAttachmentSizes@./shared/mailbox/mailboxtest \
	TestDefaultIsTenThousandRequests@./shared/mailbox/mailboxtest \
	TestTooLargeShowsAtTheLastPart@./shared/mailbox/mailboxtest \
	TestKeysRefused@./shared/source/delivery/sftpstore

# the one whose turn it is in the share SOAK
TURN = $(subst @, ,$(word $(shell expr \( $(firstword $(subst /, ,$(SOAK))) - 1 \) % $(words $(LONG)) + 1),$(LONG)))
space := $(subst ,, )
# of such a list: the tests, as a regular expression, and their packages
names = $(subst $(space),|,$(sort $(foreach each,$(1),$(word 1,$(subst @, ,$(each))))))
folders = $(sort $(foreach each,$(1),$(word 2,$(subst @, ,$(each)))))

# The staged handlers are built like this; with the same settings here, the Graph SDK (minutes of compiling) is compiled
# once.
run check: export GOFLAGS += -trimpath
run check: export CGO_ENABLED = 0

# A program that was built to detect races sleeps for a second when it ends. The tests start hundreds.
test: export GORACE = atexit_sleep_ms=0
# Microsoft's programs, bicep and func, run for too short a time to gain from the profiling that .NET starts with.
test: export DOTNET_TieredPGO = 0

.PHONY: run test soak package check vuln bench parsers clean

run: ## the whole connector on this machine, with a sample day
	$(GO) run ./local -host $(HOST) -source $(SOURCE)

# Two rows of packages at once, with the race detector and without it: one works while the other waits. The longest
# of each come first.
test: TESTFLAGS = -vet=off -timeout 30m # make check vets
test: ## all tests, with real Azurite; in the real Functions host too if func is on PATH
	@raced() { \
		failed=0; \
		$(GO) test -race $(TESTFLAGS) -p 2 -skip '^($(call names,$(UNRACED)))$$' ./local ./handlers/import \
			$$($(GO) list ./... | grep -vxF -e o2archiver/local/chaos \
			$(patsubst .,-e o2archiver,$(patsubst ./%,-e o2archiver/%,$(SERIAL)))) || failed=1; \
		$(GO) test -race $(TESTFLAGS) -p 2 -run '^($(call names,$(RACED)))$$' $(call folders,$(RACED)) || failed=1; \
		return $$failed; \
	}; \
	plain() { \
		failed=0; export CGO_ENABLED=0 GOFLAGS="$$GOFLAGS -trimpath"; \
		$(GO) test $(TESTFLAGS) -p 1 -run '^($(call names,$(UNRACED)))$$' ./local \
			$(call folders,$(UNRACED)) || failed=1; \
		$(GO) test $(TESTFLAGS) -p 1 ./infra $(SERIAL) || failed=1; \
		return $$failed; \
	}; \
	trap 'trap - TERM; kill 0' INT TERM; \
	raced & first=$$!; \
	plain; failed=$$?; \
	wait $$first && exit $$failed
	@command -v func >/dev/null || echo "make test: left out: the end-to-end tests in the real Functions host" \
		"(func, Azure Functions Core Tools, is not on PATH)"
	@command -v bicep >/dev/null || echo "make test: left out: what the deployment would make (bicep is not on PATH)"
	@command -v shellcheck >/dev/null || \
		echo "make test: left out: the check of the scripts (shellcheck is not on PATH)"
	@command -v chromium >/dev/null || [ -n "$$CHROMIUM" ] || \
		echo "make test: left out: the pages in a browser (chromium is not on PATH)"
	@[ -x /usr/sbin/sshd ] && [ "$$(id -u)" = 0 ] || [ -n "$$SSHD" ] || \
		echo "make test: left out: SFTP by OpenSSH's sshd (openssh-server is not installed, or this is not root)"

package: ## build/<app>/ and build/<app>.zip, as they are deployed, with checksums and a list of what is linked in
	$(GO) run ./local/appbuild/cmd

check: ## formatting, vet, staticcheck, tidy modules; known vulnerabilities are make vuln's
	@bad="$$(gofmt -l $$(git ls-files '*.go'))"; [ -z "$$bad" ] || { echo "not formatted:"; echo "$$bad"; exit 1; }
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
		-run '^($(call names,$(LONG))|TestLong|TestEveryCallWithEveryFault)$$' $(call folders,$(LONG)) ./local/chaos
endif

parsers: ## the golden messages through parsers that nobody here wrote: Python's, and notmuch
	local/parsers/check -self
	local/parsers/check

clean:
	rm -rf build
