package deliveries

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/arrival"
)

func listing(files ...arrival.File) []keyed { return Rules{}.withKeys(files) }

func TestPlan(t *testing.T) {
	t.Parallel()
	at := func(name string, modified time.Time) arrival.File {
		return arrival.File{Path: name, Size: 10, ModTime: modified}
	}
	earlier := "202611260000-TeleMessage_1_x.zip"
	rules := Rules{From: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), StableAfter: 10 * time.Minute}
	var s State
	l := s.Plan(listing(at(earlier, old), at(nameOf(1), old), at(nameOf(2), start), at("x.zip", old),
		at("."+nameOf(3), old), at(nameOf(3)+".filepart", old)), rules, start)
	if want := (Listed{Deliveries: 2, Others: 3, Ignored: 1, Waiting: 1, Planned: 1}); l != want {
		t.Errorf("%+v, want %+v", l, want)
	}
	l = s.Plan(listing(at(nameOf(1), old), at(nameOf(2), start)), rules, start.Add(59*time.Second))
	if want := (Listed{Deliveries: 2, Waiting: 1}); l != want {
		t.Errorf("after 59 seconds: %+v", l)
	}
	l = s.Plan(listing(at(nameOf(1), old), at(nameOf(2), start)), rules, start.Add(time.Minute))
	if want := (Listed{Deliveries: 2, Planned: 1}); l != want || len(s.Seen) != 0 {
		t.Errorf("after a minute: %+v", l)
	}
	l = s.Plan(listing(at(nameOf(2), start.Add(time.Minute))), rules, start.Add(time.Hour))
	if l.Planned != 1 || len(s.Open) != 3 {
		t.Errorf("another time of change: %+v", l)
	}
	raw, err := json.Marshal(s)
	if err != nil || strings.Contains(string(raw), "TeleMessage") {
		t.Errorf("the state holds a name: %s, %v", raw, err)
	}
	for _, z := range s.Open {
		if !strings.HasPrefix(z.Folder, "2026/11/28/delivery-20261128-") {
			t.Errorf("folder %s", z.Folder)
		}
	}
}

// The day in a name may be none.
func TestPlanWithoutADay(t *testing.T) {
	t.Parallel()
	var s State
	s.Plan(listing(arrival.File{Path: "202699990000-TeleMessage_1_x.zip", ModTime: old}),
		Rules{From: start, StableAfter: time.Minute}, start)
	if len(s.Open) != 1 || !strings.HasPrefix(s.Open[0].Folder, "2026/11/28/delivery-undated-1-") {
		t.Errorf("%+v", s.Open)
	}
	if gaps := s.NoteGaps(start); len(gaps)+len(s.Gaps) != 0 {
		t.Errorf("%+v", gaps)
	}
}

// Only a ZIP that is read without being asked for by its day shows that the vendor still delivers.
func TestNewest(t *testing.T) {
	t.Parallel()
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	const (
		early   = "202611260000-TeleMessage_1_x.zip"
		late    = "202611280000-TeleMessage_1_x.zip"
		undated = "202699990000-TeleMessage_1_x.zip"
	)
	also := Days{day(26), day(27)}
	for name, tt := range map[string]struct {
		rules   Rules
		files   []string
		planned int
		newest  bool
	}{
		"new":                       {Rules{From: day(27)}, []string{late}, 1, true},
		"too early":                 {Rules{From: day(27)}, []string{early}, 0, false},
		"asked for":                 {Rules{From: day(27), Also: also}, []string{early}, 1, false},
		"asked for, and new":        {Rules{From: day(27), Also: Days{day(26), day(29)}}, []string{late}, 1, true},
		"asked for, with a new one": {Rules{From: day(27), Also: also}, []string{early, late}, 2, true},
		"asked for, without From":   {Rules{Also: also}, []string{early}, 1, true},
		"without a day":             {Rules{From: day(27), Also: also}, []string{undated}, 1, true},
	} {
		var files []arrival.File
		for _, path := range tt.files {
			files = append(files, arrival.File{Path: path, ModTime: old})
		}
		before := start.Add(-time.Hour)
		s := State{Newest: before}
		l := s.Plan(listing(files...), tt.rules, start)
		want := before
		if tt.newest {
			want = start
		}
		if l.Planned != tt.planned || !s.Newest.Equal(want) {
			t.Errorf("%s: %+v, newest %s, want %s", name, l, s.Newest, want)
		}
	}
}

// A backfill of old days does not hide that no ZIP comes.
func TestQuietAfterBackfill(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.rules.From = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
		w.shelf.put(nameOf(1), makeZIP("a", 2), old)
		w.shelf.put("202510010000-TeleMessage_1_x.zip", makeZIP("b", 2), old)
		w.run()
		w.clock.Add(25 * time.Hour)
		first := time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC)
		days := Days{From: first, To: first.AddDate(0, 0, 1)}
		d := w.intake(w.Store)
		res, err := d.ReadDays(t.Context(), days, w.logger())
		d.Reporter.End(t.Context(), err)
		if err != nil || res.Read != 1 {
			t.Fatalf("%+v, %v", res, err)
		}
		w.clock.Add(2 * time.Hour)
		w.run()
		if n := w.events("fetch.noDelivery"); n != 1 {
			t.Errorf("%d reports after 27 hours without a new ZIP", n)
		}
	})
}

// What is no file is counted without names, in the result and in the log. The folder imports is read for itself.
func TestNotFiles(t *testing.T) {
	for _, imports := range []bool{false, true} {
		t.Run(fmt.Sprint("imports ", imports), func(t *testing.T) {
			virtual(t, func(t *testing.T) {
				w, want := newWorld(t), 2
				if imports {
					w, want = newImports(t), 3
				}
				w.shelf.notFiles = []string{".ssh", nameOf(1), "confidential", ImportsFolder, "x.part"}
				if res := w.run(); res.Listed != (Listed{NotFiles: want}) {
					t.Errorf("%+v, want %d", res.Listed, want)
				}
				if !strings.Contains(w.Log.String(), fmt.Sprintf(`"notFiles":%d`, want)) {
					t.Errorf("the log does not say so:\n%s", w.Log)
				}
			})
		})
	}
}

func TestPlanIsBounded(t *testing.T) {
	t.Parallel()
	var files []arrival.File
	for i := range 1000 {
		files = append(files, arrival.File{Path: nameOf(i + 1), ModTime: old})
	}
	var s State
	for n := range 6 {
		l := s.Plan(listing(files...), Rules{StableAfter: time.Minute}, start.Add(time.Duration(n)*time.Hour))
		if want := min(maxPlanned, 1000-n*maxPlanned); l.Planned != max(0, want) {
			t.Errorf("listing %d: %+v", n, l)
		}
		if len(s.Seen) > 0 {
			t.Errorf("listing %d: %d files are remembered that need not be", n, len(s.Seen))
		}
		for len(s.Open) > 0 {
			s.Finish(0, ending{outcome: Complete}, start)
		}
	}
	raw, err := json.Marshal(s)
	if err != nil || len(raw) > 300*1000 {
		t.Errorf("%d bytes of state, %v", len(raw), err)
	}
}

// What is stored of a run is all that its types have: none has a field for the state of a process.
func TestStateIsStoredAsAWhole(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			look(typ.Elem())
		case reflect.Struct:
			if seen[typ] || typ == reflect.TypeFor[time.Time]() {
				return
			}
			seen[typ] = true
			for f := range typ.Fields() {
				if name := f.Tag.Get("json"); !f.IsExported() || name == "-" || name == "" && !f.Anonymous {
					t.Errorf("%s.%s is not stored", typ, f.Name)
				}
				look(f.Type)
			}
		}
	}
	look(reflect.TypeFor[State]())
	look(reflect.TypeFor[Past]())
	if !seen[reflect.TypeFor[archive.Partial]()] || !seen[reflect.TypeFor[Numbers]()] {
		t.Errorf("looked at %v", seen)
	}
}
