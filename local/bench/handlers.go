package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

const (
	handlers  = "Handlers"
	bigSize   = 150_000_000 // bytes: the maximum of MAX_ITEM_SIZE
	bigPath   = "/content/call.wav"
	bigMemory = 48 // MB over idle, limit for such an item

	// piece is the size of a chunk of an upload in bytes. Microsoft Graph: a chunk has at most 4 MB and a multiple of
	// 320 KiB, and chunks are sent one after the other.
	piece = 12 * 320 << 10
)

// startHandlers measures the start-up time of the handlers, starts both for the following steps, and measures their
// memory when idle.
func (w *world) startHandlers(ctx context.Context, r *report) (err error) {
	for _, app := range []string{"fetch", "import"} {
		took, err := startUp(ctx, filepath.Join(w.out, app, "handler"), "/", w.settings(w.o.concurrency))
		if err != nil {
			return fmt.Errorf("app %s: %w", app, err)
		}
		r.add(handlers, app+": start-up, from the start of the process to GET /", 1e3*took.Seconds(), "ms", noLimit())
	}
	for _, name := range []string{"fetch", "import"} {
		if err := w.again(ctx, name, w.o.concurrency/2); err != nil {
			return err
		}
	}
	r.add(handlers, "fetch: resident memory, idle", inMegabytes(w.fetch.idle, w.fetch.idleOK), "MB", noLimit())
	r.add(handlers, "import: resident memory, idle",
		inMegabytes(w.imports.idle, w.imports.idleOK), "MB", noLimit())
	return nil
}

// grownMemory returns the peak memory of the app's process, minus its memory when it was idle, in MB.
func grownMemory(a *app) float64 {
	_, most, ok := processMemory(a.Pid())
	return inMegabytes(most-a.idle, ok && a.idleOK)
}

// recording fetches and imports one large recording, in processes started for it.
func (w *world) recording(ctx context.Context, r *report) error {
	at := w.day.from.Add(-time.Hour)
	site := newSite()
	it := w.day.recorded(bigPath, bigSize)
	it.MessageTime, it.ArchivedTime = at.Format(time.RFC3339), at.Format(time.RFC3339)
	site.Add(at, encodeItem(it))
	site.AddContent(bigPath, bigSize, func() io.Reader { return noiseReader(bigSize) })
	const group = "Fetch: one recording of 150 MB"
	batches, took, load, err := w.backfill(ctx, site, at, at.Add(time.Second))
	if err != nil {
		return err
	}
	r.add(group, "bytes, from the timer to the answer", bigSize/1e6/took.Seconds(), "MB/s", noLimit())
	r.add(group, "resident memory, highest, over idle", grownMemory(w.fetch), "MB", atMost(bigMemory, "over idle"))
	load.report(r, group, "fetch", 1, "recording", took)
	return w.importRecording(ctx, r, batches)
}

// backfill fetches what a site holds of a window, in a process started for it, which keeps running.
func (w *world) backfill(ctx context.Context, site *telemessagetest.Site, from, to time.Time) (
	added []archive.BatchInfo, took time.Duration, used load, err error) {
	before, err := w.batches(ctx)
	if err != nil {
		return nil, 0, used, err
	}
	if w.siteAt, err = w.servers.Serve(site); err != nil {
		return nil, 0, used, err
	}
	if err := w.again(ctx, "fetch", w.o.concurrency/2); err != nil {
		return nil, 0, used, err
	}
	input := fmt.Sprintf(`{"from":%q,"to":%q}`, from.Format(time.RFC3339), to.Format(time.RFC3339))
	began, idle := time.Now(), w.load(w.fetch)
	if _, err := w.fetch.Run(ctx, "fetch", input); err != nil {
		return nil, 0, used, w.broken("fetch", err)
	}
	took, used = time.Since(began), w.load(w.fetch).since(idle)
	after, err := w.batches(ctx)
	known := map[string]bool{}
	for _, b := range before {
		known[b.Name] = true
	}
	return slices.DeleteFunc(after, func(b archive.BatchInfo) bool { return known[b.Name] }), took, used, err
}

func (w *world) importRecording(ctx context.Context, r *report, batches []archive.BatchInfo) error {
	const group = "Import: one recording of 150 MB"
	if err := w.again(ctx, "import", w.o.concurrency/2); err != nil {
		return err
	}
	load := w.load(w.imports)
	began := time.Now()
	if err := w.deliver(ctx, batches, w.imports); err != nil {
		return err
	}
	took := time.Since(began)
	sum, err := hashOf(noiseReader(bigSize))
	if err != nil {
		return err
	}
	if !w.holds(sum) {
		return w.broken("import", fmt.Errorf("no mailbox has the recording of %d bytes as the site has it", bigSize))
	}
	r.add(group, "bytes, from the event to the answer", bigSize/1e6/took.Seconds(), "MB/s",
		compareWith(piece/1e6/w.latency.Seconds(), "a piece of 3.9 MB in each L"))
	r.add(group, "resident memory, highest, over idle", grownMemory(w.imports), "MB", atMost(bigMemory, "over idle"))
	w.load(w.imports).since(load).report(r, group, "import", 1, "recording", took)
	return nil
}

// holds reports whether a mailbox has an attachment with that SHA-256.
func (w *world) holds(sum string) bool {
	for _, u := range tenantUsers(w.o.mailboxes) {
		for _, m := range w.graph.Messages(u.ID) {
			if slices.ContainsFunc(m.Attachments, func(a mailboxtest.Attachment) bool { return a.SHA256 == sum }) {
				return true
			}
		}
	}
	return false
}
