package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

const (
	rounds    = 3
	scriptFor = 8 * time.Second // per round
)

// besideScript compares the import with a simple sequential loop over the SDK: with the same Graph and the same
// mailboxes, alternating in every round, so that other load on the machine affects both.
func (w *world) besideScript(ctx context.Context, r *report) error {
	c := w.o.concurrency / 2
	if err := w.startGraph(w.o.latency); err != nil {
		return err
	}
	if err := w.again(ctx, "import", c); err != nil {
		return err
	}
	if _, err := w.importPart(ctx, 2*w.o.mailboxes); err != nil { // look-ups are done first: the script has none
		return err
	}
	var ours, theirs counts
	for range rounds {
		did, err := w.importPart(ctx, max(100, w.o.copies/30))
		if err != nil {
			return err
		}
		ours = ours.plus(did)
		if did, err = w.script(ctx); err != nil {
			return err
		}
		theirs = theirs.plus(did)
	}
	group := fmt.Sprintf("Import and script, in turns, %d times: the same %d mailboxes, L = %v",
		rounds, w.o.mailboxes, w.latency)
	r.add(group, fmt.Sprintf("import: %d copies, C = %d at once", ours.copies, c), ours.rate(), "copies/s",
		compareWith(float64(c)/w.latency.Seconds(), "C/L"))
	r.add(group, fmt.Sprintf("script: %d copies, one POST after another", theirs.copies), theirs.rate(), "copies/s",
		compareWith(1/w.latency.Seconds(), "1/L"))
	r.add(group, "import / script", ours.rate()/theirs.rate(), "times", compareWith(float64(c), "C"))
	r.add(group, "import: share of answers 429", ours.share(), "%", atMost(throttled, "of the requests"))
	r.add(group, "script: share of answers 429", theirs.share(), "%", noLimit())
	r.add(group, "import: Graph requests per copy", float64(ours.requests)/float64(ours.copies), "",
		atMost(perCopy, "a copy"))
	return nil
}

// script runs the script for scriptFor, which posts to every mailbox in rotation, and returns its counts.
func (w *world) script(ctx context.Context) (counts, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptFor+time.Minute)
	defer cancel()
	var ids strings.Builder
	for _, u := range tenantUsers(w.o.mailboxes) {
		fmt.Fprintln(&ids, u.ID)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(w.out, "script"), w.graphAt, graphToken,
		strconv.Itoa(int(scriptFor.Seconds())))
	cmd.Stdin, cmd.Stderr = strings.NewReader(ids.String()), w.log
	before := w.graph.Requests()
	out, err := cmd.Output()
	if err != nil {
		return counts{}, w.broken("the script", err)
	}
	after := w.graph.Requests()
	var did struct {
		Copies  int
		Seconds float64
	}
	if err := json.Unmarshal(out, &did); err != nil {
		return counts{}, fmt.Errorf("read what the script says: %w", err)
	}
	return counts{
		copies: did.Copies, took: time.Duration(did.Seconds * float64(time.Second)),
		throttled: after.Throttled - before.Throttled,
		requests:  after.Kinds[mailboxtest.Token] - before.Kinds[mailboxtest.Token],
	}, nil
}
