package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/staging"
)

// scriptFor bounds the script, which is as slow as Graph.
const scriptFor = 10 * time.Second

// importDay imports a part of the texts with all the concurrency that was asked for, and then another part with half of it: what the
// processors of this machine limit in the first, they limit less in the second. Each time the first copies are reported apart: with them
// every mailbox's user and folder have to be found, once in the life of a process.
func (w *world) importDay(ctx context.Context, r *report) error {
	rest, err := w.batches(ctx)
	if err != nil {
		return err
	}
	for i, c := range []int{w.o.concurrency, max(1, w.o.concurrency/2)} {
		if i > 0 {
			_ = w.imports.Stop()
			if w.imports, err = w.host(ctx, "import", c); err != nil {
				return err
			}
		}
		for _, of := range []struct {
			name   string
			copies int
		}{{"first contact", 2 * w.o.mailboxes}, {steady, w.o.copies / (i + 1)}} {
			var some []staging.BatchInfo
			if some, rest = part(rest, of.copies); len(some) == 0 {
				return nil
			}
			if err := w.importPart(ctx, r, of.name, some, c); err != nil {
				return err
			}
		}
		if i == 0 {
			peak(r, "import: resident memory, peak with the texts", w.imports)
		}
	}
	if err := w.script(ctx, r); err != nil {
		return err
	}
	return w.several(ctx, r, rest)
}

// steady is the part of an import that the rest of the day is like.
const steady = "mailboxes known"

// part takes the first batches that hold n records together.
func part(batches []staging.BatchInfo, n int) (some, rest []staging.BatchInfo) {
	for i := range batches {
		if records(batches[:i+1]) >= n {
			return batches[:i+1], batches[i+1:]
		}
	}
	return batches, nil
}

// importPart brings the events of the batches, all at once as Event Grid may; the host lets in as many as host.json says.
func (w *world) importPart(ctx context.Context, r *report, name string, batches []staging.BatchInfo, c int) error {
	copies := records(batches)
	group := fmt.Sprintf("Import, %s: %d copies into %d mailboxes, C = %d at once, L = %v", name, copies, w.o.mailboxes, c, w.o.latency)
	blobs, tables, load, before := w.blobs.Load(), w.tables.Load(), w.load(w.imports), w.graph.Requests()
	w.creates.begin()
	began := time.Now()
	if err := w.deliver(ctx, batches, w.imports); err != nil {
		return err
	}
	took := time.Since(began)
	load = w.load(w.imports).since(load)
	blobs, tables = w.blobs.Load()-blobs, w.tables.Load()-tables
	after, all := w.graph.Requests(), 0
	for kind := range after.Kinds {
		if after.Kinds[kind] -= before.Kinds[kind]; kind != mailboxtest.Token { // those are the others once more
			all += after.Kinds[kind]
		}
	}
	created := after.Kinds[mailboxtest.Create]
	if created < copies {
		return w.broken("import", fmt.Errorf("it wrote %d messages of %d", created, copies))
	}
	n, limit := float64(copies), float64(c)/w.o.latency.Seconds()
	r.addOf(group, "copies, from the first event to the last answer", n/took.Seconds(), "copies/s", limit, "C/L")
	r.addOf(group, "copies, the middle 80 % of them", w.creates.middle(), "copies/s", limit, "C/L")
	r.addOf(group, "Graph requests per copy, to create it", float64(created)/n, "", 1, "one")
	r.addOf(group, "Graph requests per copy, with look-ups and folders", float64(all)/n, "", 1, "one")
	r.add(group, "share of answers 429", 100*float64(after.Throttled-before.Throttled)/float64(all), "%")
	r.addOf(group, "table operations per copy", float64(tables)/n, "", 2, "claim and done")
	r.add(group, "blob operations per record", float64(blobs)/n, "")
	load.report(r, group, "import", n, "copy", took)
	if name == steady && c == w.o.concurrency {
		cost(r, float64(tables)/n, float64(blobs)/n, limit)
	}
	return nil
}

// deliver brings the events, to one process after the other in turn, and returns after the last answer.
func (w *world) deliver(ctx context.Context, batches []staging.BatchInfo, to ...*host.StandIn) error {
	failed := make([]error, len(batches))
	var group sync.WaitGroup
	for i, b := range batches {
		group.Go(func() {
			_, failed[i] = to[i%len(to)].Deliver(ctx, w.store.BatchURI(b.Name), host.Properties{
				Length: b.Size, ContentType: "application/x-ndjson", Created: b.Created, LastModified: b.Created})
		})
	}
	group.Wait()
	for _, err := range failed {
		if err != nil {
			return w.broken("import", err)
		}
	}
	return nil
}

// script is the sequential loop over the SDK that somebody writes who needs the mail over there by tonight. It runs beside nothing else.
func (w *world) script(ctx context.Context, r *report) error {
	ctx, cancel := context.WithTimeout(ctx, scriptFor+time.Minute)
	defer cancel()
	user := users(1)[0].ID
	cmd := exec.CommandContext(ctx, filepath.Join(w.out, "script"), w.graphAt, graphToken, user, strconv.Itoa(int(scriptFor.Seconds())))
	cmd.Stderr = w.log
	out, err := cmd.Output()
	if err != nil {
		return w.broken("the script", err)
	}
	var did struct {
		Copies  int
		Seconds float64
	}
	if err := json.Unmarshal(out, &did); err != nil {
		return fmt.Errorf("read what the script says: %w", err)
	}
	r.addOf("The same as a script does it: one POST after another, with the SDK as it comes",
		fmt.Sprintf("copies, from the first %d of them", did.Copies), float64(did.Copies)/did.Seconds, "copies/s", 1/w.o.latency.Seconds(), "1/L")
	return nil
}
