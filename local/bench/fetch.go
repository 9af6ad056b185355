package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// fetchRate is the limit of fetch: texts per second, from the site on loopback to Azurite in memory.
const fetchRate = 3000

// fetched holds the cost of one item in fetch.
type fetched struct {
	seconds, blobs float64
	batches        float64
}

// fetchDay fetches all of the site's texts.
func (w *world) fetchDay(ctx context.Context, r *report) error {
	group := fmt.Sprintf("Fetch: %d texts", w.day.items)
	before, _ := w.served.count()
	load := w.load(w.fetch)
	began := time.Now()
	if _, err := w.fetch.Run(ctx, "fetch", ""); err != nil {
		return w.broken("fetch", err)
	}
	took := time.Since(began)
	load = w.load(w.fetch).since(load)
	blobs, _ := w.served.count()
	all, err := w.batches(ctx)
	if err != nil {
		return err
	}
	if n := countRecords(all); n != w.day.items {
		return w.broken("fetch", fmt.Errorf("it staged %d items of %d", n, w.day.items))
	}
	plain, err := w.readPages(ctx)
	if err != nil {
		return fmt.Errorf("read the site: %w", err)
	}
	n := float64(w.day.items)
	r.add(group, "items, from the timer to the answer", n/took.Seconds(), "items/s",
		atLeast(1, fetchRate, "into Azurite, in memory"))
	r.add(group, "  the same pages, read and dropped", plain, "items/s", noLimit())
	r.add(group, "blob operations per item", float64(blobs-before)/n, "", noLimit())
	r.add(group, "resident memory, highest, over idle", grownMemory(w.fetch), "MB", noLimit())
	load.report(r, group, "fetch", n, "item", took)
	w.rest, w.perItem = all, fetched{took.Seconds() / n, float64(blobs-before) / n, float64(len(all)) / n}
	return nil
}

// readPages reads the pages that fetch reads, and returns the items per second: the maximum of the site and loopback.
func (w *world) readPages(ctx context.Context) (float64, error) {
	q := url.Values{
		"from": {w.day.from.Format(time.RFC3339)},
		"to":   {w.day.from.Add(24*time.Hour - 10*time.Minute).Format(time.RFC3339)}, "limit": {"1000"},
	}
	began := time.Now()
	for {
		var page bytes.Buffer
		if err := w.get(ctx, telemessagetest.ItemsPath+"?"+q.Encode(), &page); err != nil {
			return 0, err
		}
		var end struct{ Next string }
		rest := bytes.TrimPrefix(page.Bytes()[bytes.LastIndexByte(page.Bytes(), ']')+1:], []byte(","))
		if err := json.Unmarshal(append([]byte("{"), rest...), &end); err != nil {
			return 0, err
		}
		if end.Next == "" {
			return float64(w.day.items) / time.Since(began).Seconds(), nil
		}
		q.Set("cursor", end.Next)
	}
}

// get copies the body of one answer of the site to a writer.
func (w *world) get(ctx context.Context, path string, to io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.siteAt+path, nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(siteUser, sitePassword)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	_, err = io.Copy(to, resp.Body)
	return err
}

// batches returns all batches that fetch has written.
func (w *world) batches(ctx context.Context) (all []archive.BatchInfo, err error) {
	for b, err := range w.store.Batches().All(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func countRecords(batches []archive.BatchInfo) (n int) {
	for _, b := range batches {
		n += b.Records
	}
	return n
}

// broken returns the error with the place of the log.
func (w *world) broken(app string, err error) error {
	return fmt.Errorf("%s: %w (its output is in %s)", app, err, w.log.Name())
}
