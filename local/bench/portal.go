package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
)

// What is required of the portal.
const (
	pageTime  = 100 // ms in the handler
	pageSize  = 200 // KB of a page, uncompressed
	pageStart = 30  // ms from the start of the process to its first answer
	pageViews = 9   // of each route; the median counts
)

// maxBatchDays bounds the rows of batches: with their mailboxes, those of a day take 15 MB of Azurite's memory.
const maxBatchDays = 60

// portalPages starts the portal on a generated year of 100,000 records a day in an Azurite of its own, and asks for
// every page. A page's time is that of its handler, from the request to the last byte of the answer; it waits for
// Azurite for a part of it.
func (w *world) portalPages(ctx context.Context, r *report) error {
	a, err := azurite.Start(ctx, azurite.Options{Root: w.root, Log: w.log})
	if err != nil {
		return fmt.Errorf("start Azurite for the portal: %w", err)
	}
	defer a.Stop()
	store, err := cloud.Prepare(ctx, a.ConnectionString())
	if err != nil {
		return err
	}
	y, err := newYear(a.ConnectionString(), store, w.o.batchDays)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := y.write(ctx); err != nil {
		return err
	}
	took := time.Since(began)
	group := fmt.Sprintf("Portal: a year of 100,000 records a day, the rows of batches of %d of its days",
		w.o.batchDays)
	r.add(group, "writing the year", took.Seconds(), "s", noLimit())
	waiting := &waits{now: time.Now}
	connection, err := waiting.serve(a, &w.servers)
	if err != nil {
		return err
	}
	env := []string{"ARCHIVE_STORAGE=" + connection, "PORTAL_SIGN_IN=local", "SOURCE=telemessage",
		"TELEMESSAGE_URL=" + w.siteAt, "FUNCTIONS_WORKER_RUNTIME=custom"}
	if err := w.portalStart(ctx, r, group, env); err != nil {
		return err
	}
	p, err := launchHandler(ctx, filepath.Join(w.out, "portal", "handler"), "/alive", env, w.log)
	if err != nil {
		return fmt.Errorf("start the app portal: %w", err)
	}
	defer func() { _ = p.stop() }()
	views, err := viewAll(ctx, y, p, waiting)
	if err != nil {
		return w.broken("portal", err)
	}
	reportViews(r, group, views)
	return nil
}

// portalStarts is the number of starts of which the median counts.
const portalStarts = 9

// portalStart measures the start of the portal, to the answer that needs no storage, and to that which the host asks
// for first. The first must be as fast as required, unless all processors were busy and the start used less time of
// them.
func (w *world) portalStart(ctx context.Context, r *report, group string, env []string) error {
	program := filepath.Join(w.out, "portal", "handler")
	for _, path := range []string{"/alive", "/"} {
		var took, used []time.Duration
		busy, known := machineCPU()
		began := time.Now()
		for range portalStarts {
			p, err := launchHandler(ctx, program, path, env, nil)
			if err != nil {
				return fmt.Errorf("start the app portal: %w", err)
			}
			took, used = append(took, p.took), append(used, p.stop())
		}
		busyThen, _ := machineCPU()
		slices.Sort(took)
		slices.Sort(used)
		median, cpu := 1e3*took[portalStarts/2].Seconds(), 1e3*used[portalStarts/2].Seconds()
		required := noLimit()
		if path == "/alive" {
			isFull := known && isMachineFull(busyThen-busy, time.Since(began))
			required = atMost(pageStart, "first start").unless(isFull && cpu <= pageStart)
		}
		r.add(group, "start-up, from the start of the process to GET "+path, median, "ms", required)
		r.add(group, "  processor time until then", cpu, "ms", noLimit())
	}
	return nil
}

// isMachineFull reports whether the processors were busy for at least 90 % of a time.
func isMachineFull(busy, took time.Duration) bool {
	return busy.Seconds() > 0.9*took.Seconds()*float64(runtime.NumCPU())
}

// view is what one route took: the median view of all its views.
type view struct {
	portalRoute
	took, waited time.Duration
	requests     int     // to storage
	size         int     // bytes of the answer
	used         float64 // ms of the portal's processor time, the mean of all views; NaN: not known
	isFull       bool    // all processors of the machine were busy meanwhile
}

func (v view) name() string {
	if v.note != "" {
		return v.pattern + ", " + v.note
	}
	return v.pattern
}

// own returns the time in which no request to storage was under way.
func (v view) own() time.Duration { return max(0, v.took-v.waited) }

// viewAll asks for every route.
func viewAll(ctx context.Context, y *year, p *handlerProcess, waiting *waits) (all []view, err error) {
	command, err := y.command(ctx)
	if err != nil {
		return nil, err
	}
	versions, _, err := y.store.Mapping().Versions(ctx, 1)
	if err != nil || len(versions) == 0 {
		return nil, fmt.Errorf("find a version of the mapping: %d, %w", len(versions), err)
	}
	day := y.from[yearDays-1].Format(time.DateOnly)
	fill := strings.NewReplacer("{day}", day, "{month}", day[:len("2006-01")], "{run}", y.latest(),
		"{first}", y.from[1].Format(time.DateOnly), "{command}", command, "{version}", versions[0].SHA256)
	for _, route := range portalRoutes() {
		v, err := viewRoute(ctx, p, route, fill.Replace(route.path), waiting)
		if err != nil {
			return nil, fmt.Errorf("GET %s: %w", route.path, err)
		}
		all = append(all, v)
	}
	return all, nil
}

// viewRoute asks for a path several times.
func viewRoute(ctx context.Context, p *handlerProcess, route portalRoute, path string, waiting *waits) (view, error) {
	if _, err := viewOnce(ctx, route, p.at+path, waiting); err != nil { // makes the connections
		return view{}, err
	}
	var views []view
	used, ok := processCPU(p.pid)
	busy, _ := machineCPU()
	began := time.Now()
	for range pageViews {
		v, err := viewOnce(ctx, route, p.at+path, waiting)
		if err != nil {
			return view{}, err
		}
		views = append(views, v)
	}
	took := time.Since(began)
	usedThen, _ := processCPU(p.pid)
	busyThen, _ := machineCPU()
	slices.SortFunc(views, func(a, b view) int { return cmp.Compare(a.took, b.took) })
	v := views[pageViews/2]
	v.used = math.NaN()
	if ok {
		v.used = 1e3 * (usedThen - used).Seconds() / pageViews
		v.isFull = isMachineFull(busyThen-busy, took)
	}
	return v, nil
}

// viewOnce asks once.
func viewOnce(ctx context.Context, route portalRoute, address string, waiting *waits) (v view, err error) {
	v.portalRoute = route
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return v, err
	}
	waiting.reset()
	began := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	v.took, v.size = time.Since(began), len(body)
	v.waited, v.requests = waiting.reset()
	leads := resp.StatusCode == http.StatusSeeOther
	if err == nil && (resp.StatusCode >= http.StatusMultipleChoices && !leads || leads != route.leads) {
		err = errors.New("answered " + resp.Status)
	}
	return v, err
}

// reportViews reports each route. The time with Azurite is for comparison: its one thread searches the whole table for
// each query. What is required is the time without waiting for it, unless the machine had no processor for the portal,
// and the processor time, which counts on a busy machine, too.
func reportViews(r *report, group string, views []view) {
	for _, v := range views {
		r.add(group+": time with Azurite", v.name(), 1e3*v.took.Seconds(), "ms",
			compareWith(pageTime, "in the handler"))
	}
	for _, v := range views {
		r.add(group+": time without waiting for Azurite", v.name(), 1e3*v.own().Seconds(), "ms",
			atMost(pageTime, "in the handler").unless(v.isFull && v.used <= pageTime))
	}
	for _, v := range views {
		r.add(group+": processor time of the portal", v.name(), v.used, "ms", atMost(pageTime, "in the handler"))
	}
	for _, v := range views {
		l := atMost(pageSize, "a page")
		if v.isFile {
			l = noLimit()
		}
		r.add(group+": size", v.name(), float64(v.size)/1e3, "KB", l)
	}
	for _, v := range views {
		r.add(group+": requests to storage", v.name(), float64(v.requests), "", noLimit())
	}
}
