package collector

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/local/soak"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// eventful is a site with two days on which everything happens that makes fetch write. It leaves the second one to be
// fetched, and returns what the batches shall hold then.
func eventful(t *testing.T) (w *world, want []string) {
	w = newWorld(t, pagesOf(112), func(o *telemessagetest.Options) { o.CursorLife = time.Hour })
	url := func(id string) item { return item{"contentUrl": w.content("/"+id, []byte("bytes of "+id))} }
	a := w.long("a", "segment-a-of-3", "alpha-text beta-text gamma-text", 90*time.Minute)
	b := w.long("b", "segment-b-of-2", "delta-text epsilon-text", 80*time.Minute)
	c := w.long("c", "segment-c-of-2", "zeta-text eta-text", 70*time.Minute)
	w.add(w.mms("yesterday", time.Hour, url("yesterday")), a[0], a[1])
	w.site.Fail(telemessagetest.Content, 1, telemessagetest.Fault{Status: 503})
	w.run()
	if n := len(w.waiting()); n != 3 {
		t.Fatalf("%d items wait, want 3", n)
	}

	w.nextDay()
	w.many("m", 103)
	w.add(w.mms("inline", 50*time.Minute, item{"content": "QUJD"}), w.mms("linked", 49*time.Minute, url("linked")))
	// complete with yesterday's
	for _, it := range append(b, a[2].with("archivedTime", w.ago(40*time.Minute).Format(time.RFC3339)),
		// on the first page; the second on the next one
		c[0].with("archivedTime", w.ago(48*time.Minute).Format(time.RFC3339)),
		c[1].with("archivedTime", w.ago(5*time.Second).Format(time.RFC3339)),
		w.long("d", "segment-d-of-2", "theta-text iota-text", time.Hour)[0]) { // incomplete
		if strings.HasPrefix(it["messageId"].(string), "b") {
			it["archivedTime"] = w.ago(45 * time.Minute).Format(time.RFC3339)
		}
		w.add(it)
	}
	w.site.Add(w.ago(47*time.Minute), []byte(`{"messageId":"broken",}`))
	w.add(w.mms("later", 46*time.Minute, url("later")), w.mms("last", time.Second, item{"content": "REVG"}))
	return w, slices.Sorted(slices.Values(append(numbered("m", 103),
		"yesterday", "a1", "a2", "a3", "b1", "b2", "c1", "c2", "inline", "linked", "last", "broken")))
}

// all returns the ids in all batches, in alphabetical order; the item that is no JSON is "broken".
func (w *world) all() []string {
	w.t.Helper()
	ids := w.ids()
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			if e.Fault != "" {
				ids = append(ids, "broken")
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// TestKilledAtEveryWrite lets the process die after its n-th write, for every n, and start again: at once, or after the
// cursor has expired. The short form has each n once: even ones start at once, odd ones later.
func TestKilledAtEveryWrite(t *testing.T) {
	step := 2
	if soak.ForTest(t).Long {
		step = 1
	}
	for i, pause := range []time.Duration{time.Minute, 2 * time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			t.Parallel()
			for n, left := i*(step-1), true; left; n += step {
				if inBubble(t, func(t *testing.T) { left = killedAfter(t, n, pause) }); t.Failed() {
					t.Fatalf("killed after write %d", n)
				}
				if !left && n < 12 {
					t.Errorf("only %d writes: the test does not reach what it should", n)
				}
			}
		})
	}
}

// killedAfter reports whether there is more to see after the next write.
func killedAfter(t *testing.T, n int, pause time.Duration) (more bool) {
	w, want := eventful(t)
	// Out of reach while the first process lives, and there for the second: only what the first one found out counts.
	w.site.Fail(telemessagetest.Content, 2, telemessagetest.Fault{Status: 503})
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	death := archivetest.DieAfter(n, fetchtest.IsWrite, kill)
	_, err := w.invoke(ctx, w.faulty(death.Rule), "", "")
	if death.Dead() == (err == nil) {
		t.Errorf("killed: %v, error: %v", death.Dead(), err)
	}
	more = death.Dead()
	if open := w.checkpoint().Open; pause > time.Hour && len(open) > 0 && open[0].Progress.Read {
		more = false // the cursor has served its time
	}
	w.clock.Add(pause)
	w.run()
	w.clock.Add(20 * time.Minute) // whatever was set aside is taken by now
	w.run()

	if diff := cmp.Diff(slices.Sorted(slices.Values(append(want, "later"))), w.all()); diff != "" {
		t.Errorf("items in the batches (-want +got):\n%s", diff)
	}
	if left := w.waiting(); len(left) != 1 { // the first piece of d
		t.Errorf("%d items wait, want 1", len(left))
	}
	w.balanced()
	w.CheckRuns(3)
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			for _, m := range e.Media {
				if data := w.media(m.Blob()); int64(len(data)) != m.Size {
					t.Errorf("media of %d bytes, want %d", len(data), m.Size)
				}
			}
		}
	}
	texts := strings.Join(w.texts(), "\n")
	for _, text := range []string{"alpha-textbeta-textgamma-text", "delta-textepsilon-text", "zeta-texteta-text"} {
		if strings.Count(texts, text) != 1 {
			t.Errorf("%s is there %d times", text, strings.Count(texts, text))
		}
	}
	if death.Dead() && death.Done() != n {
		t.Errorf("%d writes were done, want %d", death.Done(), n)
	}
	return more
}

// TestAnswersAreLost lets storage do writes of every kind and lose the first answer to each. The SDK asks again.
func TestAnswersAreLost(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w, want := eventful(t)
		var (
			mu   sync.Mutex
			lost = map[string]int{}
		)
		f := w.faulty(func(r *http.Request) archivetest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if !fetchtest.IsWrite(r) {
				return archivetest.Pass
			}
			kind := r.Method + r.Header.Get("If-Match")
			for _, part := range []string{"/waiting/", "/fetch.json", "/batches/", "/manifest.json", "/media/",
				"/media/raw/", "/status/runs/"} {
				if strings.Contains(r.URL.Path, part) {
					kind += part
				}
			}
			if lost[kind]++; lost[kind] > 1 {
				return archivetest.Pass
			}
			return archivetest.Lose
		})
		if _, err := w.try(f, ""); err != nil {
			t.Fatal(err)
		}
		// Put, replace and delete in the waiting room; the checkpoint; batches and the manifest; media and raw bytes;
		// the document of the run.
		if len(lost) != 9 {
			t.Errorf("%d kinds of writes: %v", len(lost), lost)
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(append(want, "later"))), w.all()); diff != "" {
			t.Errorf("items in the batches (-want +got):\n%s", diff)
		}
		w.balanced()
	})
}
