package collector

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/schedule"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// keyOf returns the key under which the item with that id waits, and its facts.
func (w *world) keyOf(id string) (key, facts string) {
	w.t.Helper()
	_, err := w.Store.Deferred().Each(w.t.Context(), "", maxListed, func(k, line string, _ time.Time) {
		var item deferred
		if err := w.Store.Deferred().Get(w.t.Context(), k, &item); err == nil && len(item.Entry.Items) == 1 &&
			strings.Contains(string(item.Entry.Items[0].Raw), `"messageId":"`+id+`"`) {
			key, facts = k, line
		}
	})
	if err != nil || key == "" {
		w.t.Fatalf("%s does not wait: %v", id, err)
	}
	return key, facts
}

// An item of the waiting room whose blob can't be read is quarantined and told of, and keeps neither its window nor its
// neighbours. What it was comes again when the time is fetched by hand.
func TestUnreadableDeferredItem(t *testing.T) {
	t.Parallel()
	other := func(v any, facts bool) func(w *world, key, line string) {
		return func(w *world, key, line string) {
			if !facts {
				line = ""
			}
			if err := w.Store.Deferred().Replace(w.t.Context(), key, v, line); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	const kept, gone = "; the bytes of its blob are kept", ", and its blob is gone"
	for _, tt := range []struct {
		name   string
		damage func(w *world, key, line string) // nil: its blob is gone when it is read
		fault  string
	}{
		{"no item", other("no item", true), kept},
		{"an empty one", other(struct{}{}, true), kept},
		{"not the kind of item", other(map[string]any{"entry": map[string]any{"v": 1, "items": []any{1}}}, true), kept},
		{"without facts", other("no item", false), kept},
		{"gone", nil, gone},
	} {
		for _, id := range []string{"m1", "p1"} {
			t.Run(tt.name+" "+id, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				begin := w.ago(schedule.WindowLength)
				complete := w.deferItems()
				key, line := w.keyOf(id)
				f := w.collector
				if tt.damage != nil {
					tt.damage(w, key, line)
				} else {
					f = w.watching(f, func(r *http.Request) {
						if r.Method == http.MethodGet && strings.Contains(r.URL.Path, key) {
							_ = w.Store.Deferred().Delete(w.t.Context(), key)
						}
					})
				}
				complete()
				w.add(w.sms("later", "a message of the next day", -schedule.WindowLength/2))
				w.nextDay()
				if res, err := w.try(f, ""); err != nil || res.Open != 0 {
					t.Fatalf("the window that takes the item: %+v, %v", res, err)
				}
				w.balanced()
				want := map[string][]string{
					"m1": {"later", "m2", "p1", "p2", "q1", "q2"},
					"p1": {"later", "m1", "m2", "p2", "q1", "q2"},
				}[id]
				if tt.name == "without facts" && id == "p1" { // of which message it was is not known
					want = slices.DeleteFunc(want, func(id string) bool { return id == "p2" })
				}
				got := w.ids()
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("items (-want +got):\n%s", diff)
				}
				var faults []string
				for _, r := range w.runs() {
					for _, e := range r.entries() {
						if e.Fault == "" {
							continue
						}
						faults = append(faults, e.Fault)
						if _, err := telemessage.Parse(e); err == nil {
							t.Error("import does not quarantine it")
						}
						if e.RawBlob != "" && hash(w.media(e.RawBlob)) != e.RawHash {
							t.Error("its bytes are not kept")
						}
					}
				}
				fault := "it was deferred, and could not be read back" + tt.fault
				if diff := cmp.Diff([]string{fault}, faults); diff != "" {
					t.Errorf("quarantined (-want +got):\n%s", diff)
				}
				if !w.Log.Has(slog.LevelError, `"event":"fetch.itemUnreadable","item":"`+key) {
					t.Errorf("the log does not tell:\n%s", w.Log)
				}
				if slices.Contains(w.waiting(), key) {
					t.Error("it still waits")
				}
				w.clock.Add(time.Second)
				end := begin.Add(schedule.WindowLength)
				input := fmt.Sprintf(`{"from":%q,"to":%q}`, begin.Format(time.RFC3339), end.Format(time.RFC3339))
				if _, err := w.try(w.collector, input); err != nil {
					t.Fatal(err)
				}
				if id == "m1" && !slices.Contains(w.ids(), id) {
					t.Error("fetched by hand it does not come again")
				}
			})
		}
	}
}

// deferItems runs a fetch that defers two picture messages, m1 and m2, and the first parts of two long SMS, p1 and q1.
// complete adds the second parts, which arrive on the next day.
func (w *world) deferItems() (complete func()) {
	p := w.long("p", "segment-0815-4711", "alpha-text beta-text", time.Hour)
	q := w.long("q", "segment-0815-4712", "gamma-text delta-text", time.Hour)
	w.add(w.mms("m1", 2*time.Hour, item{"contentUrl": w.content("/one", []byte("one"))}),
		w.mms("m2", 2*time.Hour, item{"contentUrl": w.content("/two", []byte("two"))}), p[0], q[0])
	back := w.unreachable()
	w.run()
	back()
	return func() {
		at := w.ago(-schedule.WindowLength / 2).Format(time.RFC3339)
		w.add(p[1].with("archivedTime", at), q[1].with("archivedTime", at))
	}
}

// A deferred item whose blob is in the archive tier stays deferred, with the other parts of its long SMS, and is told
// of. Its window and its neighbours go on, and the item is written when its blob is readable again.
func TestDeferredItemInTheArchiveTierIsKept(t *testing.T) {
	for _, id := range []string{"m1", "p1"} {
		t.Run(id, virtually(func(t *testing.T) {
			w := newWorld(t)
			complete := w.deferItems()
			key, _ := w.keyOf(id)
			c := w.faulty(func(r *http.Request) archivetest.Fault {
				if r.Method == http.MethodGet && strings.Contains(r.URL.Path, key) {
					return archivetest.Archived
				}
				return archivetest.Pass
			})
			complete()
			want := map[string][]string{"m1": {"m2", "p1", "p2", "q1", "q2"}, "p1": {"m1", "m2", "q1", "q2"}}[id]
			for day := range 20 { // longer than an item waits for what the source owes
				w.nextDay()
				w.Log = &archivetest.Lines{}
				if res, err := w.try(c, ""); err != nil || res.Open != 0 {
					t.Fatalf("day %d: %+v, %v", day, res, err)
				}
				if !w.Log.Has(slog.LevelError, `"event":"fetch.itemArchived","item":"`+key) {
					t.Errorf("day %d: the item is not told of:\n%s", day, w.Log)
				}
			}
			got := w.ids()
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("items beside it (-want +got):\n%s", diff)
			}
			if !slices.Contains(w.waiting(), key) {
				t.Error("it is no longer deferred")
			}
			w.balanced()
			w.nextDay()
			w.run()
			got = w.ids()
			slices.Sort(got)
			if diff := cmp.Diff([]string{"m1", "m2", "p1", "p2", "q1", "q2"}, got); diff != "" {
				t.Errorf("items after it was rehydrated (-want +got):\n%s", diff)
			}
			w.balanced()
		}))
	}
}

// What an open window that is not read to its end has set aside is left to it, whether it can be read or not.
func TestUnreadableItemOfAnOpenWindow(t *testing.T) {
	morning := time.Date(2026, 11, 23, 5, 30, 0, 0, time.UTC)
	first := schedule.NewWindow(schedule.Daily, morning, morning.Add(schedule.WindowLength), morning)
	second := schedule.NewWindow(schedule.Daily, first.To, first.To.Add(schedule.WindowLength), morning)
	state := &savedState{Checkpoint: schedule.Checkpoint{Open: []schedule.Window{first, second}}}
	key := deferredKey(&first, 1, waitsForMedia, hash(nil))
	r := &deferredItems{items: map[string]deferredFacts{key: {Unreadable: true}}}
	if got := r.selectUnreadable(state, &activeWindow{Window: &state.Open[1]}, nil, 10); len(got) > 0 {
		t.Errorf("taken by another window: %v", got)
	}
	if got := r.selectUnreadable(state, &activeWindow{Window: &state.Open[0]}, nil, 10); len(got) != 1 {
		t.Errorf("its own window takes %v", got)
	}
	full := [][]string{{"a", "b"}}
	if got := r.selectUnreadable(state, &activeWindow{Window: &state.Open[0]}, full, 2); len(got) != 1 {
		t.Errorf("without space: %v", got)
	}
}

// A batch of an earlier try that is not as it was written keeps no window open: import refuses it and tells of it.
func TestBatchOfAnEarlierTryIsDamaged(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.many("m", 120)
		w.site.Fail(telemessagetest.Items, 1, telemessagetest.Fault{Cut: 35_000}) // after the first batch
		f := *w.collector
		read := 0
		f.use(w.OpenWith(answering{w.Storage, func(r *http.Request, answer *http.Response) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/00001.ndjson") {
				read++
				data, err := io.ReadAll(answer.Body)
				if err != nil {
					t.Error(err)
				}
				data[0] = 'X'
				sum := md5.Sum(data) // it was changed where it is stored: its MD5 is that of the changed content
				answer.Header.Set("Content-Md5", base64.StdEncoding.EncodeToString(sum[:]))
				answer.Body = io.NopCloser(bytes.NewReader(data))
			}
		}}))
		if res, err := w.try(&f, ""); err != nil || res.Open != 0 || read == 0 {
			t.Errorf("%+v, %v; the batch was read %d times", res, err, read)
		}
		if diff := cmp.Diff(numbered("m", 120), w.ids()); diff != "" {
			t.Errorf("items (-want +got):\n%s", diff)
		}
		w.balanced()
	})
}

// answering is a transport that changes the storage's answers.
type answering struct {
	way    http.RoundTripper
	change func(*http.Request, *http.Response)
}

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.way.RoundTrip(r)
	if err == nil {
		a.change(r, answer)
	}
	return answer, err
}

// A checkpoint that can't be read stops fetch, for to begin anew would leave out what it owed; an alert tells.
func TestCheckpointIsUnreadable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many("m", 3)
	other := json.RawMessage(`"no checkpoint"`)
	ctx := t.Context()
	if _, err := w.Store.Checkpoints().Put(ctx, schedule.CheckpointName, other, "*", nil); err != nil {
		t.Fatal(err)
	}
	defer w.Empty()
	const told = `"event":"fetch.checkpointUnreadable"`
	if _, err := w.try(w.collector, ""); err == nil || !w.Log.Has(slog.LevelError, told) {
		t.Errorf("error %v; the log:\n%s", err, w.Log)
	}
	if len(w.ids()) > 0 {
		t.Error("something was fetched")
	}
}
