package deliveries

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/arrival"
)

// Seven years of eight ZIPs a day, of which none is ever removed: the state stays small, and no ZIP is planned twice.
// The short form is one year.
func TestSevenYears(t *testing.T) {
	t.Parallel()
	var (
		s     State
		p     Past
		files []arrival.File
		rules = Rules{StableAfter: time.Minute}
		total int
	)
	now, years := start, 1
	if soak.ForTest(t).Long {
		years = 7
	}
	for range years * 365 * 8 / maxPlanned {
		for range maxPlanned / 8 {
			for n := range 8 {
				files = append(files, arrival.File{Size: int64(len(files)), ModTime: now.Add(-time.Hour),
					Path: now.Format("20060102") + fmt.Sprintf("0000-TeleMessage_%d_x.zip", n+1)})
			}
			now = now.AddDate(0, 0, 1)
		}
		s.pass(&p, now)
		rest, past := p.split(rules.withKeys(files))
		l := s.Plan(rest, rules, now)
		if l.Planned != maxPlanned || past+l.Deliveries != len(files) {
			t.Fatalf("%+v of %d files, %d past", l, len(files), past)
		}
		for len(s.Open) > 0 {
			s.Open[0].SHA256 = strings.Repeat(s.Open[0].Key, 2)
			s.Finish(0, ending{outcome: Complete}, start)
			total++
		}
		if tell := append(s.NoteGaps(now), s.NoteGaps(now.Add(time.Hour))...); len(tell) > 0 {
			t.Fatalf("gaps: %+v", tell)
		}
	}
	state, serr := json.Marshal(s)
	past, perr := json.Marshal(p)
	if serr != nil || perr != nil || len(state) > 150_000 || len(past) > 45*total {
		t.Errorf("%d bytes of state, %d of %d ZIPs in the past, %v, %v", len(state), len(past), total, serr, perr)
	}
	if !p.HasBytes(&ZIP{SHA256: strings.Repeat(rules.keyOf(files[0]), 2)}) || p.HasBytes(&ZIP{SHA256: ""}) ||
		p.HasBytes(&ZIP{SHA256: strings.Repeat("0", 64)}) {
		t.Error("the bytes of the first ZIP are not known, or those of none are")
	}
}

// A folder of many ZIPs is read in one run, plan by plan: each file is opened once, and what a ZIP costs does not grow.
// The long form has 5,000, and plans as many at a time as the product does.
func TestManyListed(t *testing.T) {
	plans, planned := 10, maxPlanned/10
	if soak.ForTest(t).Long {
		plans, planned = 25, maxPlanned
	}
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.rules.planned = planned
		same := makeZIP("a", 1)
		for i := range plans*planned + 1 {
			w.shelf.put(nameOf(i+1), same, old)
		}
		requests, sent, largest := 0, int64(0), int64(0)
		store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
			requests++
			sent += max(0, r.ContentLength)
			if strings.HasSuffix(r.URL.Path, StateName) {
				largest = max(largest, r.ContentLength)
			}
			return archivetest.Pass
		}))
		all := plans*planned + 1
		res, err := w.try(t.Context(), w.intake(store))
		if err != nil || res.Listed.Planned != 1 || res.Listed.Later != 0 || res.Open != 0 ||
			res.Listed.Deliveries != all || res.Read != 1 || res.Same != all-1 || len(w.shelf.opens) != all {
			t.Fatalf("%+v, opened %d, %v", res, len(w.shelf.opens), err)
		}
		if res := w.run(); res.Listed.Planned+res.Listed.Later+res.Read+res.Same != 0 {
			t.Errorf("after all were read: %+v", res)
		}
		perZIP := sent / int64(all)
		if requests > 8*all || perZIP > 500_000 || largest > 200_000 {
			t.Errorf("%d requests, %d bytes for each ZIP, a state of %d bytes", requests, perZIP, largest)
		}
		t.Logf("%d requests, %d bytes for each ZIP", requests, perZIP)
		w.shelf.put(nameOf(9999), same, old) // renamed: its bytes are those of a ZIP in the past
		if res := w.run(); res.Same != 1 || res.Read != 0 {
			t.Errorf("renamed: %+v", res)
		}
	})
}

// A folder of many ZIPs on an SFTP server, no two of them with the same bytes, is read in one run: each file is opened
// once. The long form has 5,000.
func TestManyOnSFTP(t *testing.T) {
	plans, planned := 5, maxPlanned/20
	if soak.ForTest(t).Long {
		plans, planned = 25, maxPlanned
	}
	sftpVirtual(t, func(t *testing.T) {
		w := newWorld(t)
		w.rules.planned = planned
		server, all := w.onSFTP(), plans*planned
		for i := range all {
			server.Put(nameOf(i+1), file(makeZIP(fmt.Sprintf("z%d-", i), 1), old))
		}
		if res := w.run(); res.Listed.Deliveries != all || res.Listed.Later != 0 || res.Open != 0 || res.Read != all {
			t.Fatalf("%+v", res)
		}
		counts := server.Counts()
		if counts.Opens != all || counts.Connections != 1 {
			t.Errorf("%+v for %d ZIPs", counts, all)
		}
		if n := len(w.entries()); n != all {
			t.Errorf("%d entries of %d ZIPs", n, all)
		}
		if res := w.run(); res.Listed.Planned+res.Read+res.Same != 0 || server.Counts().Opens != all {
			t.Errorf("after all were read: %+v", res)
		}
	})
}

// Without the document of the past nothing is read: all that is still at the store would be read again.
func TestPastIsLost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		s := State{Began: start, Past: 3}
		if _, err := w.Store.Checkpoints().Put(t.Context(), StateName, s, "", nil); err != nil {
			t.Fatal(err)
		}
		w.shelf.put(nameOf(1), makeZIP("a", 3), old)
		for _, past := range []any{nil, Past{}, Past{Keys: make(digests, 2*digestSize)},
			Past{Keys: make(digests, 50)}} {
			if past != nil {
				_, perr := w.Store.Checkpoints().Put(t.Context(), "delivery-past.json", past, "*", nil)
				if errors.Is(perr, archive.ErrNotFound) {
					_, perr = w.Store.Checkpoints().Put(t.Context(), "delivery-past.json", past, "", nil)
				}
				if perr != nil {
					t.Fatal(perr)
				}
			}
			if _, err := w.try(t.Context(), w.intake(w.Store)); !errors.Is(err, archive.ErrContent) {
				t.Errorf("%v", err)
			}
		}
		if n := w.events("fetch.deliveryStateUnreadable"); n != 4 || len(w.shelf.opens) != 0 {
			t.Errorf("%d reports, opened %d times", n, len(w.shelf.opens))
		}
	})
}

// A crash between the two writes leaves ZIPs in both documents, and no other holder's past is overwritten.
func TestPastAndStateAreWrittenApart(t *testing.T) {
	virtual(t, func(t *testing.T) {
		for _, fault := range []archivetest.Fault{archivetest.Reset, archivetest.Lose} {
			w := newWorld(t)
			s := State{Began: start, Newest: start}
			for i := range maxDone + 5 {
				s.Done = append(s.Done, Done{Key: shortHash(fmt.Sprint(i)), Outcome: Same})
			}
			if _, err := w.Store.Checkpoints().Put(t.Context(), StateName, s, "", nil); err != nil {
				t.Fatal(err)
			}
			dead := false
			store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
				if archivetest.IsWrite(r) && strings.HasSuffix(r.URL.Path, "delivery-past.json") {
					dead = true
					return archivetest.Pass
				}
				if dead && archivetest.IsWrite(r) {
					return fault
				}
				return archivetest.Pass
			}))
			if _, err := w.try(t.Context(), w.intake(store)); err == nil {
				t.Error("no error")
			}
			for range 2 {
				w.run()
			}
			var p Past
			_, err := w.Store.Checkpoints().Get(t.Context(), "delivery-past.json", &p)
			left := w.state()
			if err != nil || p.Keys.len() != maxDone+5-keptDone || len(left.Done) != keptDone ||
				left.Past != p.Keys.len() {
				t.Errorf("%d in the past, %d in the state, %v", p.Keys.len(), len(left.Done), err)
			}
		}
	})
}

// A write of the past that fails for longer than the SDK tries it is repeated, not taken for that of another holder.
func TestPastIsWrittenAgain(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		s := State{Began: start, Newest: start}
		for round := range 2 { // the second replaces the document
			for i := range maxDone + 5 {
				s.Done = append(s.Done, Done{Key: shortHash(fmt.Sprint(round, i)), Outcome: Same})
			}
			if _, err := w.Store.Checkpoints().Put(t.Context(), StateName, s, "*", nil); err != nil {
				if _, err = w.Store.Checkpoints().Put(t.Context(), StateName, s, "", nil); err != nil {
					t.Fatal(err)
				}
			}
			refused := 0
			store := w.OpenWith(w.Storage.Through(func(r *http.Request) archivetest.Fault {
				if archivetest.IsWrite(r) && strings.HasSuffix(r.URL.Path, "delivery-past.json") && refused < 6 {
					refused++
					return archivetest.Refuse
				}
				return archivetest.Pass
			}))
			if _, err := w.try(t.Context(), w.intake(store)); err != nil || refused != 6 {
				t.Errorf("%v after %d refusals", err, refused)
			}
			if w.Log.Has(slog.LevelWarn, "lease of the deliveries was lost") {
				t.Error("the lease was taken for lost")
			}
			s = w.state()
		}
	})
}
