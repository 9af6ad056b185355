package deliveries

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/fault"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/source/delivery/deliverytest"
)

// always is more often than any call comes.
const always = 1 << 20

// walkDay is a world in which one ZIP was read yesterday, and two are to be read: one of several blocks.
func walkDay(t *testing.T) (*world, *deliverytest.Server) {
	t.Helper()
	w := newWorld(t)
	server := w.onSFTP()
	server.Put(nameOf(1), file(makeZIP(t, "a", 3), old))
	w.run()
	w.clock.Add(24 * time.Hour)
	server.Put(strings.Replace(nameOf(1), "1128", "1129", 1), file(makeZIP(t, "b", 12), old.Add(24*time.Hour)))
	server.Put(strings.Replace(nameOf(2), "1128", "1129", 1), file(storedZIP(t, 5*mebibyte), old.Add(24*time.Hour)))
	return w, server
}

// planned returns the archive, and a way to it on which the plan's faults happen.
func (w *world) planned(p *fault.Plan) *archive.Store {
	w.t.Helper()
	proxy := &httputil.ReverseProxy{Transport: w.Storage, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(w.Storage.BlobURL()) }}
	way, stop := pipetest.Serve(p.Before("blob", blobCall, proxy))
	w.t.Cleanup(stop)
	return w.OpenWith(way)
}

// blobCall is the operation, the container, and what the blob is.
func blobCall(r *http.Request) string {
	path := strings.Trim(r.URL.Path, "/")
	container, name, _ := strings.Cut(path, "/")
	if container == archive.BatchesContainer && strings.HasSuffix(name, "manifest.json") {
		container = "manifest"
	} else if container == archive.CheckpointsContainer {
		container = name
	}
	words := []string{r.Method, r.URL.Query().Get("comp"), r.Header.Get("X-Ms-Lease-Action"), container}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// heals lets the next runs go without a fault, and compares what is there with the batches of a day without one.
func (w *world) heals(t *testing.T, server *deliverytest.Server, want map[string]string) {
	t.Helper()
	server.Heal()
	w.store = w.storeOf(server)
	if res, err := w.try(t.Context(), w.intake(w.Store)); err != nil || res.Open != 0 {
		t.Errorf("the next run: %+v, %v", res, err)
	}
	if got := w.outcomes(); got != "complete complete complete" {
		t.Errorf("outcomes %q", got)
	}
	if diff := cmp.Diff(slices.Sorted(keysOf(want)), slices.Sorted(keysOf(w.batches()))); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	} else if !cmp.Equal(want, w.batches()) {
		t.Error("the bytes of the batches differ")
	}
	w.entries()
	for _, event := range []string{"fetch.deliveryBroken", "fetch.deliveryGone", "fetch.deliveryReplaced",
		"fetch.deliveryGap", "fetch.batchesDiffer", "fetch.deliveryIncomplete"} {
		if w.events(event) != 0 {
			t.Errorf("%s was reported", event)
		}
	}
	if t.Failed() {
		t.Log(w.Log)
	}
}

type walkStep struct {
	name string
	run  func(t *testing.T)
}

// TestEveryCallOfADelivery lets each call of a day go wrong, in every way, once or in the whole run. The next run makes
// up for it, and the batches are those of a day without a fault. The short form has one step for each kind of call,
// which the seed chooses.
func TestEveryCallOfADelivery(t *testing.T) {
	hostKey()
	form := soak.ForTest(t)
	var plan fault.Plan
	var want map[string]string
	inBubble(t, func(t *testing.T) {
		w, server := walkDay(t)
		if res, err := w.try(t.Context(), w.intake(w.planned(&plan))); err != nil || res.Read != 2 {
			t.Fatalf("without a fault: %+v, %v", res, err)
		}
		want = w.batches()
		w.heals(t, server, want)
	})
	kinds, count := plan.Calls()
	if len(kinds) < 14 {
		t.Errorf("kinds of calls: %v", kinds)
	}
	groups := [][]walkStep{}
	for _, kind := range kinds {
		var group []walkStep
		for _, f := range slices.Concat(fault.All(), fault.Pages(), fault.Bare()) {
			for n := range count[kind] {
				if n < 3 || n == count[kind]-1 {
					group = append(group, storageStep(kind, n+1, 1, f, want))
				}
			}
			group = append(group, storageStep(kind, 1, always, f, want))
		}
		groups = append(groups, group)
	}
	for phase, name := range []string{"accept", "sign-in", "subsystem", "opendir", "readdir", "open", "read"} {
		var group []walkStep
		for kind, how := range []string{"stall", "freeze", "cut", "refuse"} {
			for _, f := range []deliverytest.Fault{{}, {Skip: 1}, {Skip: 2}, {Skip: 150}, {Times: always},
				{Times: always, Skip: 1}, {Times: always, Skip: 150}} {
				f.Phase, f.Kind = deliverytest.Phase(phase), deliverytest.Kind(kind)
				group = append(group, sftpStep(fmt.Sprintf("sftp %s %s %d %d", name, how, f.Skip, f.Times), f, want))
			}
		}
		groups = append(groups, group)
	}
	for i, group := range groups {
		for j, step := range group {
			if !form.Long && j != int((form.Seed*7919+uint64(i)*31)%uint64(len(group))) {
				continue
			}
			t.Run(strings.ReplaceAll(step.name, "/", "_"), func(t *testing.T) {
				t.Parallel()
				inBubble(t, step.run)
			})
		}
	}
}

func storageStep(kind string, n, times int, f fault.Fault, want map[string]string) walkStep {
	return walkStep{fmt.Sprintf("%s %d %d %s", kind, n, times, f), func(t *testing.T) {
		w, server := walkDay(t)
		var plan fault.Plan
		plan.Fail(kind, n, times, f)
		_, _ = w.try(t.Context(), w.intake(w.planned(&plan)))
		plan.Settle()
		time.Sleep(time.Minute) // a lease that was not released expires
		w.heals(t, server, want)
	}}
}

func sftpStep(name string, f deliverytest.Fault, want map[string]string) walkStep {
	return walkStep{name, func(t *testing.T) {
		w, server := walkDay(t)
		server.CutAll()
		server.Fail(f)
		_, _ = w.try(t.Context(), w.intake(w.Store))
		w.heals(t, server, want)
	}}
}
