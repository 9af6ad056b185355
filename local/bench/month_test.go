package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of a month's cost into infra/README.md")

// The month of which infra/README.md states the cost: 500 phones with 20,000 items a day, each for two mailboxes.
const (
	monthDays   = 30
	monthCopies = 2 * 20_000 // of a day

	timerTurns   = sweeps + commandTurns // of a day
	timerSeconds = 1                     // of an idle one; Flex Consumption charges no less
	timerLines   = 5                     // of the host and the handler, for each
	fullSweeps   = 24                    // of a day; each lists the days of three months
	fullSweepOps = 250                   // blob operations of one, assumed

	pricePerAlert    = 1.50 // a month; this and the next three as of 24 November 2026
	pricePerEndpoint = 7.50
	priceOfNAT       = 37.0 // the gateway and its address
	endpoints        = 10
	pricePerSFTPHour = 0.30 // of an account whose SFTP endpoint is on, used or not

	portalEndpoints = 3     // of its host account
	portalRequests  = 2_000 // of a day: pages, and an hour of watching a run, which asks every 5 seconds
	portalSeconds   = 1     // of a request; Flex Consumption charges no less
	portalLines     = 5     // of the log, for each

	pricePerReadyGBs = 0.000004 // Flex Consumption, always ready, per GB of memory and second; as of spring 2025
)

// benchFigure returns a figure of the day of 1,000,000 copies in docs/performance.md.
func benchFigure(t *testing.T, page, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`\n\| ` + regexp.QuoteMeta(name) + ` \| ([0-9.,]+)`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("docs/performance.md has no figure %q", name)
	}
	figure, err := strconv.ParseFloat(strings.ReplaceAll(m[1], ",", ""), 64)
	if err != nil {
		t.Fatal(err)
	}
	return figure
}

// dollars returns an amount in whole dollars, rounded up.
func dollars(amount float64) string {
	switch {
	case amount == 0:
		return "–"
	case amount < 1:
		return "below 1"
	}
	return fmt.Sprintf("%.0f", math.Ceil(amount))
}

// TestMonthIsThatOfTheFigures: the cost that infra/README.md states follows from the figures of docs/performance.md,
// the prices, and the number of alert rules. With -update it writes the table.
func TestMonthIsThatOfTheFigures(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		raw, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	page := read("docs/performance.md")
	all := read("infra/modules/alerts.bicep")
	_, rest, _ := strings.Cut(all, "\nvar deliveryRules = [")
	ofDeliveries, _, _ := strings.Cut(rest, "\n]\n")
	more := strings.Count(ofDeliveries, "loadTextContent('../queries/")
	rules := strings.Count(all, "loadTextContent('../queries/") - strings.Count(all, "{ title:") - 1 - more
	if rules < 17 || more < 3 { // but for the workbook and what all share
		t.Fatalf("only %d alert rules were found, and %d of deliveries", rules, more)
	}
	alerts := float64(rules) * pricePerAlert
	work := monthDays * monthCopies / dayCopies * benchFigure(t, page, "dollars, all of that")
	logs := monthDays * timerTurns * timerLines * envelope * pricePerLogGB
	timers := logs + monthDays*(timerTurns*(timerSeconds*instanceGB*pricePerGBs+pricePerRun)+
		((sweeps-fullSweeps)*sweepOps+fullSweeps*fullSweepOps+commandTurns*commandOps)*pricePerBlobOp)
	network := endpoints*pricePerEndpoint + priceOfNAT
	sftp := monthDays * 24 * pricePerSFTPHour
	ready := monthDays * 86_400 * instanceGB * pricePerReadyGBs
	requests := float64(monthDays * portalRequests)
	pages := requests * (portalSeconds*instanceGB*pricePerGBs + pricePerRun + portalLines*envelope*pricePerLogGB)
	rows := [][4]string{
		{"alert rules", fmt.Sprintf("%d, at most 1.50 each", rules), dollars(alerts), dollars(alerts)},
		{"import and fetch: execution, tables, blobs, events, logs", "4 % of [the day of a million copies]" +
			"(../docs/performance.md#cost), 30 times", dollars(work), dollars(work)},
		{"timers without work, and their log lines", fmt.Sprintf("%d invocations a day", timerTurns),
			dollars(timers), dollars(timers)},
		{"private network", "10 endpoints at 7.50, a NAT gateway with its address at 37", "–", dollars(network)},
		{"an instance of import that is always ready", "2 GB, for the whole month (`importAlwaysReady`)", "–",
			dollars(ready)},
		{"**sum, without storage**", "", "**" + dollars(alerts+work+timers) + "**",
			"**" + dollars(alerts+work+timers+network+ready) + "**"},
		{"in addition, with deliveries: alert rules", fmt.Sprintf("%d, at most 1.50 each", more),
			dollars(float64(more) * pricePerAlert), dollars(float64(more) * pricePerAlert)},
		{"in addition, with the landing account: its SFTP endpoint",
			"0.30 an hour, used or not; a private endpoint", dollars(sftp), dollars(sftp + pricePerEndpoint)},
		{"in addition, with the portal: requests and their log lines",
			fmt.Sprintf("%d a day; %d private endpoints", portalRequests, portalEndpoints), dollars(pages),
			dollars(pages + portalEndpoints*pricePerEndpoint)},
		{"in addition, an instance of the portal that is always ready",
			"2 GB, for the whole month (`portalAlwaysReady`)", dollars(ready), dollars(ready)},
	}
	table := "\n| item | calculated from | public endpoints | private network |\n|---|---|---:|---:|\n"
	for _, row := range rows {
		table += "| " + strings.Join(row[:], " | ") + " |\n"
	}
	const name, begin, end = "infra/README.md", "<!-- month -->", "<!-- /month -->"
	readme := read(name)
	head, rest, ok := strings.Cut(readme, begin)
	was, tail, ends := strings.Cut(rest, end)
	if !ok || !ends {
		t.Fatalf("%s has no table between %s and %s", name, begin, end)
	}
	if was == table {
		return
	}
	if !*update {
		t.Fatalf("%s says of a month's cost:\n%swant\n%s(go test ./local/bench -run TestMonth -update writes it)",
			name, was, table)
	}
	if err := os.WriteFile("../../"+name, []byte(head+begin+table+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}
