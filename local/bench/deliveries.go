package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"o2archiver/local/sftpserver"
	"o2archiver/shared/archive"
)

const (
	deliveredRate = 1500 // EML per second that fetch has to reach

	// maxZIPs is the number of ZIPs that are read by SFTP.
	maxZIPs = 4

	deliveredMemory = 128 // MB
	deliveredGrowth = 16  // MB, from one ZIP to all
	// storedEach is the number of operations for a message: one for it, one for its picture if it has one, and those of
	// its share of a batch and of the ZIP.
	storedEach = 1.1
)

// intake is one run of fetch with deliveries.
type intake struct {
	took   time.Duration
	used   load
	memory float64 // MB
}

// readDeliveries starts fetch for a store of deliveries and an archive, and runs it once.
func (w *world) readDeliveries(ctx context.Context, archived string, store ...string) (run intake, err error) {
	a, err := w.host(ctx, "fetch", append([]string{
		"SOURCE=delivery", "DELIVERY_STABLE_AFTER=0s", "ARCHIVE_STORAGE=" + archived, "FETCH_SCHEDULE=0 30 5 * * *",
		"FUNCTIONS_WORKER_RUNTIME=custom"}, store...))
	if err != nil {
		return run, err
	}
	defer func() { _ = a.Stop() }()
	before, began := w.load(a), time.Now()
	if _, err := a.Run(ctx, "fetch", ""); err != nil {
		return run, w.broken("fetch", err)
	}
	run.took, run.used = time.Since(began), w.load(a).since(before)
	_, peak, ok := processMemory(a.Pid())
	run.memory = inMegabytes(peak, ok)
	return run, nil
}

// checkRecords returns an error if the batches of the archive do not have as many records.
func (w *world) checkRecords(ctx context.Context, store *archive.Store, want int) error {
	n := 0
	for b, err := range store.Batches().All(ctx) {
		if err != nil {
			return err
		}
		n += b.Records
	}
	if n != want {
		return w.broken("fetch", fmt.Errorf("it staged %d messages of %d", n, want))
	}
	return nil
}

// deliveries reads 100,000 messages in 20 ZIPs from the landing container.
func (w *world) deliveries(ctx context.Context, r *report) error {
	zips := w.o.zips
	n := zips * zipMessages
	landing, size, err := w.land(ctx, zips)
	if err != nil {
		return err
	}
	archived, store, err := serveStorage(ctx, &w.servers)
	if err != nil {
		return err
	}
	defer debug.FreeOSMemory() // of both accounts
	landed, _ := landing.requests()
	before, mediaBefore := archived.requests(archive.MediaContainer)
	run, err := w.readDeliveries(ctx, archived.connection(), "DELIVERY_LANDING="+landing.connection())
	if err != nil {
		return err
	}
	all, media := archived.requests(archive.MediaContainer)
	all, media = all-before, media-mediaBefore
	if err := w.checkRecords(ctx, store, n); err != nil {
		return err
	}
	asked, _ := landing.requests()
	group := fmt.Sprintf("Deliveries: %d EML in %d ZIPs of %.0f MB, from a landing container, storage in memory", n,
		zips, float64(size)/float64(zips)/1e6)
	run.reportRate(r, group, n, size, "storage in memory", atLeast(1, deliveredRate, "into batches"))
	r.add(group, "copies of the ZIPs, before they are read", archived.copyRate(size), "MB/s", noLimit())
	r.add(group, "operations of the archive per EML", float64(all)/float64(n), "",
		atMost(storedEach, "one, one for each attachment, and a share of the batch's and the ZIP's"))
	r.add(group, "operations of the archive per ZIP, besides those of EML and attachments",
		float64(all-media)/float64(zips), "", noLimit())
	r.add(group, "operations of the landing account per ZIP", float64(asked-landed)/float64(zips), "", noLimit())
	r.add(group, "resident memory, highest", run.memory, "MB", atMost(deliveredMemory, "with what it has when idle"))
	w.delivered = run.memory
	return nil
}

// deliveriesIntoAzurite reads one ZIP into Azurite, with the landing account in memory.
func (w *world) deliveriesIntoAzurite(ctx context.Context, r *report) error {
	const n = zipMessages
	landing, size, err := w.land(ctx, 1)
	if err != nil {
		return err
	}
	defer debug.FreeOSMemory()
	before, err := w.batches(ctx)
	if err != nil {
		return err
	}
	run, err := w.readDeliveries(ctx, w.azurite.ConnectionString(), "DELIVERY_LANDING="+landing.connection())
	if err != nil {
		return err
	}
	if err := w.checkRecords(ctx, w.store, countRecords(before)+n); err != nil {
		return err
	}
	group := fmt.Sprintf("Deliveries: %d EML in one ZIP, from a landing container into Azurite", n)
	run.reportRate(r, group, n, size, "landing account", atLeast(1, deliveredRate, "into batches"))
	r.add(group, "resident memory, highest", run.memory, "MB", atMost(deliveredMemory, "with what it has when idle"))
	if w.delivered > 0 {
		r.add(group, "resident memory, growth from one ZIP to all", w.delivered-run.memory, "MB",
			atMost(deliveredGrowth, "the State"))
	}
	return nil
}

// deliveriesBySFTP reads some of the ZIPs from a real SFTP server, with the archive in memory.
func (w *world) deliveriesBySFTP(ctx context.Context, r *report) error {
	zips := min(maxZIPs, w.o.zips)
	dir, err := os.MkdirTemp("", "o2-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	size := int64(0)
	for i := range zips {
		z, err := w.zip(i)
		if err != nil {
			return err
		}
		size += int64(len(z.Data))
		if err := os.WriteFile(filepath.Join(dir, z.Name), z.Data, 0o600); err != nil {
			return err
		}
	}
	server, err := sftpserver.Start(ctx, sftpserver.Options{Dir: dir, Log: w.log, Lookup: os.LookupEnv}, w.log)
	if err != nil {
		return err
	}
	defer server.Stop()
	archived, store, err := serveStorage(ctx, &w.servers)
	if err != nil {
		return err
	}
	run, err := w.readDeliveries(ctx, archived.connection(), "DELIVERY_SFTP_HOST="+server.Address,
		"DELIVERY_SFTP_USERNAME="+server.Username, "DELIVERY_SFTP_PASSWORD="+server.Password,
		"DELIVERY_SFTP_KEY="+server.Key, "DELIVERY_SFTP_KEY_PASSPHRASE="+server.KeyPassphrase,
		"DELIVERY_SFTP_HOST_KEYS="+server.HostKeys, "DELIVERY_FOLDER="+server.Folder)
	if err != nil {
		return err
	}
	n := zips * zipMessages
	if err := w.checkRecords(ctx, store, n); err != nil {
		return err
	}
	program, _, _ := strings.Cut(server.Program, " (") // its path differs from one machine to the next
	group := fmt.Sprintf("Deliveries: %d EML in %d ZIPs, by SFTP from %s, storage in memory", n, zips, program)
	r.add(group, "copies of the ZIPs, before they are read", archived.copyRate(size), "MB/s",
		atLeast(1, float64(size)/float64(n)*deliveredRate/1e6, "what so many EML a second need"))
	run.reportRate(r, group, n, size, "storage, SSH", compareWith(deliveredRate, "from a landing container"))
	r.add(group, "resident memory, highest", run.memory, "MB", atMost(deliveredMemory, "with what it has when idle"))
	return nil
}

// reportRate reports the rate of a run of n messages in ZIPs of size bytes, and what used the processors. others are
// what this process did meanwhile.
func (i intake) reportRate(r *report, group string, n int, size int64, others string, required limit) {
	count := float64(n)
	r.add(group, "EML, from the timer to the answer", count/i.took.Seconds(), "EML/s",
		required.unless(i.used.isTooMuch(deliveredRate, count)))
	r.add(group, "  bytes of their ZIPs", float64(size)/1e6/i.took.Seconds(), "MB/s", noLimit())
	i.used.reportWith(r, group, "fetch", others, count, "EML", i.took)
}
