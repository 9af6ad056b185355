package deliveries

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/arrival"
	"o2archiver/shared/funchost"
	"o2archiver/shared/record"
	"o2archiver/shared/status"
)

// start is when the clock of each world begins.
var start = time.Date(2026, 11, 28, 6, 0, 0, 0, time.UTC)

// world is a store of deliveries, the archive in memory, and an Intake between them.
type world struct {
	*fetchtest.World
	t      *testing.T
	clock  *archivetest.Clock
	shelf  *shelf
	store  Store // the shelf
	paused func() bool
	rules  Rules
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{World: fetchtest.NewWorld(t), t: t, clock: archivetest.NewClock(start),
		shelf: &shelf{files: map[string]shelved{}}, rules: Rules{StableAfter: 10 * time.Minute}}
	w.store = w.shelf
	w.Secret("TeleMessage_", "7700900", "contoso", "confidential", ".eml")
	return w
}

func virtual(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	fetchtest.Virtual(t, test)
}

func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	fetchtest.InBubble(t, test)
}

func (w *world) intake(s *archive.Store) *Intake {
	writer := status.NewWriter(status.Options{
		Documents: s.Status(), Batches: s.Batches(), Source: "delivery", Now: w.clock.Now})
	return New(Options{Store: w.store, Deliveries: s.Deliveries(), Batches: s.Batches(), Media: s.Media(),
		Checkpoints: s.Checkpoints(), Reports: s.Status(), Pause: w, Reporter: writer.Reporter("0b1c", w.logger()),
		Rules: w.rules, Now: w.clock.Now})
}

func (w *world) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(w.Log, nil)) }

// Paused implements Pause.
func (w *world) Paused(context.Context) (bool, error) { return w.paused != nil && w.paused(), nil }

func (w *world) try(ctx context.Context, d *Intake) (Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, funchost.Deadline, funchost.ErrDeadline)
	defer cancel()
	res, err := d.Run(ctx, w.logger())
	d.Reporter.End(ctx, err)
	if err != nil {
		w.NoteError(err)
	}
	return res, err
}

// run lets the intake run and expects it to succeed.
func (w *world) run() Result {
	w.t.Helper()
	res, err := w.try(w.t.Context(), w.intake(w.Store))
	if err != nil {
		w.t.Fatalf("the intake: %v\n%s", err, w.Log)
	}
	return res
}

func (w *world) state() (s State) {
	w.t.Helper()
	if _, err := w.Store.Checkpoints().Get(context.Background(), w.rules.form().state, &s); err != nil {
		w.t.Fatal(err)
	}
	return s
}

// outcomes returns the outcomes of the finished ZIPs in their order.
func (w *world) outcomes() string {
	w.t.Helper()
	var all []string
	for _, d := range w.state().Done {
		all = append(all, d.Outcome)
	}
	return strings.Join(all, " ")
}

// batches returns the bytes of all batches by their names.
func (w *world) batches() map[string]string {
	w.t.Helper()
	ctx, all := context.Background(), map[string]string{}
	days, err := w.Store.Batches().Days(ctx)
	for _, day := range days {
		folders, rerr := w.Store.Batches().Runs(ctx, day)
		err = errors.Join(err, rerr)
		for _, folder := range folders {
			list, lerr := w.Store.Batches().List(ctx, folder)
			err = errors.Join(err, lerr)
			for _, b := range list {
				data, _, derr := w.Store.Batches().Read(ctx, b.Name)
				err = errors.Join(err, derr)
				all[b.Name] = string(data)
			}
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// entries returns the lines of all batches, and checks that all which they name is stored.
func (w *world) entries() (all []record.Entry) {
	w.t.Helper()
	return w.entriesBut(nil)
}

// entriesBut is entries without those of earlier batches.
func (w *world) entriesBut(earlier map[string]string) (all []record.Entry) {
	w.t.Helper()
	batches := w.batches()
	maps.DeleteFunc(batches, func(name, _ string) bool { return earlier[name] != "" })
	for _, name := range slices.Sorted(keysOf(batches)) {
		for line := range strings.Lines(batches[name]) {
			var e record.Entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				w.t.Fatal(err)
			}
			names := []string{e.RawBlob}
			for _, m := range e.Media {
				names = append(names, m.Blob())
			}
			for _, blob := range names {
				if blob == "" {
					continue
				}
				body, _, err := w.Store.Media().Open(context.Background(), blob)
				if err != nil {
					w.t.Fatalf("a line names what is not stored: %v", err)
				}
				body.Close()
			}
			all = append(all, e)
		}
	}
	return all
}

func keysOf(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// report returns the report of the only run.
func (w *world) report(folder string) (r Report) {
	w.t.Helper()
	if _, err := w.Store.Status().Get(context.Background(), w.rules.form().report(folder), &r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// events counts the lines of the log with that event.
func (w *world) events(event string) int {
	return strings.Count(w.Log.String(), `"event":"`+event+`"`)
}

// shelf is a store of deliveries.
type shelf struct {
	mu       sync.Mutex
	files    map[string]shelved
	notFiles []string                    // names of folders and links
	listed   error                       // List returns half of the files and this error
	during   func(path string, at int64) // called before each read
	hangs    func(path string) bool      // its content never comes
	broken   func(at int64) error        // the error of a read at that offset
	opens    []string
	sent     int64 // bytes of content
}

type shelved struct {
	data []byte
	size int64 // as listed
	at   time.Time
}

func (s *shelf) put(path string, data []byte, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = shelved{data: data, size: int64(len(data)), at: at}
}

// List implements Store.
func (s *shelf) List(context.Context) (arrival.Listing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []arrival.File
	for path, f := range s.files {
		all = append(all, arrival.File{Path: path, Size: f.size, ModTime: f.at})
	}
	slices.SortFunc(all, func(a, b arrival.File) int { return strings.Compare(a.Path, b.Path) })
	if s.listed != nil {
		return arrival.Listing{Files: all[:len(all)/2]}, s.listed
	}
	return arrival.Listing{Files: all, NotFiles: s.notFiles}, nil
}

// Open implements Store.
func (s *shelf) Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[path]
	if !ok {
		return nil, arrival.ErrNotListed
	}
	s.opens = append(s.opens, path)
	return &shelfReader{ctx: ctx, s: s, path: path, data: f.data[offset:], at: offset}, nil
}

type shelfReader struct {
	ctx  context.Context
	s    *shelf
	path string
	data []byte
	at   int64
}

func (r *shelfReader) Read(p []byte) (int, error) {
	if r.s.hangs != nil && r.s.hangs(r.path) {
		<-r.ctx.Done()
		return 0, context.Cause(r.ctx)
	}
	if r.s.during != nil {
		r.s.during(r.path, r.at)
	}
	if r.s.broken != nil {
		if err := r.s.broken(r.at); err != nil {
			return 0, err
		}
	}
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 64<<10)], r.data)
	r.data, r.at = r.data[n:], r.at+int64(n)
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.sent += int64(n)
	return n, nil
}

func (r *shelfReader) Close() error { return nil }

// nameOf returns the name of a ZIP of the sample day.
func nameOf(number int) string {
	return fmt.Sprintf("202611280000-TeleMessage_%d_20261128050012.zip", number)
}

// sample returns a ZIP of package zipread's testdata.
func sample(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../../../shared/source/delivery/zipread/testdata", name+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func makeZIP(prefix string, n int) []byte { return fetchtest.MakeZIP(prefix, n) }

// disk is a store with one ZIP, which is a file of this machine.
type disk struct {
	path string
	size int64
}

// List implements Store.
func (d disk) List(context.Context) (arrival.Listing, error) {
	return arrival.Listing{Files: []arrival.File{{Path: nameOf(1), Size: d.size, ModTime: old}}}, nil
}

// Open implements Store.
func (d disk) Open(_ context.Context, _ string, offset int64) (io.ReadCloser, error) {
	f, err := os.Open(d.path)
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	return f, err
}
