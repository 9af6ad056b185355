package main

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"o2archiver/local/host"
	"o2archiver/shared/archive"
	"o2archiver/shared/mailbox/mailboxtest"
)

// The limits of an import of texts.
const (
	shareOfLimit  = 0.95 // of C/L
	perCopy       = 1.02 // requests to Graph per copy
	throttled     = 1    // per cent of the answers that are 429
	tablesPerCopy = 3    // table operations, for a record with one copy
	blobsPerRec   = 0.1  // blob operations per record
	totalsPer     = 3    // operations for the totals of a batch
)

// counts holds what was counted during an import.
type counts struct {
	copies, batches   int
	requests, created int // requests to Graph, including those inside a $batch; those that create a message
	throttled         int // answers with status 429
	tables, blobs     int64
	totals            int64 // operations for the totals of batches
	lines, bytes      int64 // of the log
	took              time.Duration
	middle            float64 // copies/s, without the first and the last tenth
	load              load
}

func (c counts) plus(o counts) counts {
	return counts{
		c.copies + o.copies, c.batches + o.batches, c.requests + o.requests, c.created + o.created,
		c.throttled + o.throttled,
		c.tables + o.tables, c.blobs + o.blobs, c.totals + o.totals,
		c.lines + o.lines, c.bytes + o.bytes, c.took + o.took, math.NaN(),
		c.load.plus(o.load),
	}
}

func (c counts) rate() float64  { return float64(c.copies) / c.took.Seconds() }
func (c counts) share() float64 { return 100 * float64(c.throttled) / float64(c.requests) }

// importDay is the long import, into a tenant that the archive has never accessed, by a process that has just been
// started. The first copies are reported separately: every mailbox's user has to be looked up, once in the life of a
// process, and the folders created. Then the rest is reported, and finally both together.
func (w *world) importDay(ctx context.Context, r *report) error {
	c := w.o.concurrency / 2
	first, err := w.importPart(ctx, 2*w.o.mailboxes)
	if err != nil {
		return err
	}
	rest, err := w.importPart(ctx, w.o.copies-first.copies)
	if err != nil {
		return err
	}
	whole := first.plus(rest)
	at := func(name string, did counts) string {
		return fmt.Sprintf("Import, %s: %d copies into %d mailboxes, C = %d at once, L = %v",
			name, did.copies, w.o.mailboxes, c, w.latency)
	}
	w.reportPart(r, at("first contact", first), first, c, asked{})
	w.reportPart(r, at("mailboxes known", rest), rest, c, asked{rate: true, requests: true, machine: true})
	group := at("the whole run", whole)
	// The first requests create no copies, so the whole can't reach C/L copies a second.
	w.reportPart(r, group, whole, c, asked{requests: true})
	r.add(group, "blob operations per record, with those of fetch",
		float64(whole.blobs)/float64(whole.copies)+w.perItem.blobs, "",
		compareWith(blobsPerRec, "asked of import alone"))
	r.add(group, "resident memory of import, highest, over idle", grownMemory(w.imports), "MB", noLimit())
	reportCost(r, first, rest, w.perItem)
	return nil
}

// moreAtOnce measures whether the concurrency is reached: first at four times the latency, where C/L is half that of
// the long import; then at the same latency, where twice as much has to be done and the processors of a small machine
// are the bottleneck.
func (w *world) moreAtOnce(ctx context.Context, r *report) error {
	c := w.o.concurrency
	for _, latency := range []time.Duration{4 * w.o.latency, w.o.latency} {
		if err := w.startGraph(latency); err != nil {
			return err
		}
		if err := w.again(ctx, "import", c); err != nil {
			return err
		}
		if _, err := w.importPart(ctx, 2*w.o.mailboxes); err != nil {
			return err
		}
		did, err := w.importPart(ctx, max(100, w.o.copies/10))
		if err != nil {
			return err
		}
		group := fmt.Sprintf("Import, mailboxes known: %d copies into %d mailboxes, C = %d at once, L = %v",
			did.copies, w.o.mailboxes, c, latency)
		w.reportPart(r, group, did, c, asked{rate: true, sustained: true, requests: true, machine: true})
	}
	return nil
}

// asked holds which limits apply to an import.
type asked struct {
	rate, requests bool
	sustained      bool // the rate is that of the middle: an import of seconds has little beside its begin and end
	machine        bool // the rate may be more than this machine's processors can do
}

func (w *world) reportPart(r *report, group string, did counts, c int, what asked) {
	n, ideal := float64(did.copies), float64(c)/w.latency.Seconds()
	rate, requests := compareWith(ideal, "C/L"), compareWith(1, "one")
	beyond := what.machine && did.load.isTooMuch(shareOfLimit*ideal, n)
	if what.rate {
		rate = atLeast(shareOfLimit, ideal, "C/L").unless(beyond)
	}
	if what.requests {
		requests = atMost(perCopy, "a copy")
	}
	middle := compareWith(ideal, "C/L")
	if what.sustained {
		rate, middle = middle, rate
	}
	r.add(group, "copies, from the first event to the last answer", did.rate(), "copies/s", rate)
	if what.sustained || knownValue(did.middle) != nil {
		r.add(group, "copies, the middle 80 % of them", did.middle, "copies/s", middle)
	}
	r.add(group, "Graph requests per copy, to create it", float64(did.created)/n, "", compareWith(1, "one"))
	r.add(group, "Graph requests per copy, with look-ups and folders", float64(did.requests)/n, "", requests)
	if !what.requests {
		r.add(group, "Graph requests per mailbox, to find it and its folder",
			float64(did.requests-did.created)/float64(w.o.mailboxes), "", noLimit())
	}
	r.add(group, "share of answers 429", did.share(), "%", atMost(throttled, "of the requests"))
	r.add(group, "table operations per copy", float64(did.tables)/n, "",
		atMost(tablesPerCopy, "claim, done, and one for the record"))
	r.add(group, "blob operations per record", float64(did.blobs)/n, "",
		atMost(blobsPerRec, "a record").unless(beyond)) // the journal is also written after a time
	r.add(group, "operations for the totals, per batch", float64(did.totals)/float64(did.batches), "",
		atMost(totalsPer, "its row, and the names of new mailboxes"))
	did.load.report(r, group, "import", n, "copy", did.took)
}

// splitBatches returns the first batches that together hold at least n records, and the rest.
func splitBatches(batches []archive.BatchInfo, n int) (some, rest []archive.BatchInfo) {
	for i, have := 0, 0; i < len(batches); i++ {
		if have += batches[i].Records; have >= n {
			return batches[:i+1], batches[i+1:]
		}
	}
	return batches, nil
}

// importPart imports at least that many of the day's copies that are not imported yet, and counts.
func (w *world) importPart(ctx context.Context, copies int) (counts, error) {
	some, rest := splitBatches(w.rest, copies)
	w.rest = rest
	if countRecords(some) < copies {
		return counts{}, fmt.Errorf("the day has no %d copies left", copies)
	}
	return w.importBatches(ctx, some, w.imports)
}

// importBatches delivers the events of the batches all at once, as Event Grid may; the host admits as many as host.json
// permits. The load is that of the first process.
func (w *world) importBatches(ctx context.Context, batches []archive.BatchInfo, to ...*app) (counts, error) {
	did := counts{copies: countRecords(batches), batches: len(batches)}
	blobs, tables := w.served.count()
	totals := w.served.totals.Load()
	lines, said := w.said.lines.Load(), w.said.bytes.Load()
	load, before := w.load(to[0]), w.graph.Requests()
	w.creates.begin()
	began := time.Now()
	if err := w.deliver(ctx, batches, to...); err != nil {
		return did, err
	}
	did.took, did.load, did.middle = time.Since(began), w.load(to[0]).since(load), w.creates.middle()
	did.blobs, did.tables = w.served.count()
	did.blobs, did.tables, did.totals = did.blobs-blobs, did.tables-tables, w.served.totals.Load()-totals
	if did.blobs < int64(did.batches) || did.tables < int64(did.copies) {
		return did, w.broken("import", fmt.Errorf(
			"for %d copies Azurite's log has %d requests for blobs and %d for rows",
			did.copies, did.blobs, did.tables))
	}
	did.lines, did.bytes = w.said.lines.Load()-lines, w.said.bytes.Load()-said
	after := w.graph.Requests()
	for kind := range after.Kinds {
		if kind != mailboxtest.Token { // that kind counts the others once more
			did.requests += after.Kinds[kind] - before.Kinds[kind]
		}
	}
	did.created = after.Kinds[mailboxtest.Create] - before.Kinds[mailboxtest.Create]
	did.throttled = after.Throttled - before.Throttled
	if did.created < did.copies {
		return did, w.broken("import", fmt.Errorf("it wrote %d messages of %d", did.created, did.copies))
	}
	return did, nil
}

// deliver delivers the events to the processes in rotation, and returns after the last answer.
func (w *world) deliver(ctx context.Context, batches []archive.BatchInfo, to ...*app) error {
	failed := make([]error, len(batches))
	var group sync.WaitGroup
	for i, b := range batches {
		group.Go(func() {
			_, failed[i] = to[i%len(to)].Deliver(ctx, w.store.Batches().URI(b.Name), host.Properties{
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
