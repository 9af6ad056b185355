package deliveries

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/fault"
	"o2archiver/local/soak"
	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/deliverytest"
)

// always is more often than any call comes.
const always = 1 << 20

// walk is a world in which one ZIP was read yesterday, and two are to be read, one of them of several blocks, and then
// one of the folder imports. Its store is that of an SFTP server, or a landing container in memory.
type walk struct {
	*world
	imports *world               // the folder imports of the same store
	server  *deliverytest.Server // nil: the landing container
	landed  *archivetest.Storage
	at      *archivetest.Clock // of the landing container's account
}

func newWalk(t *testing.T, onLanding bool) *walk {
	t.Helper()
	k := &walk{world: newWorld(t)}
	other := *k.world
	other.rules.Import = &Import{}
	k.imports = &other
	if onLanding {
		k.at = archivetest.NewClock(old)
		k.landed = archivetest.ForTest(t, k.at.Now)
	} else {
		k.server = k.onSFTP()
	}
	k.heal()
	k.put(nameOf(1), makeZIP("a", 3), old)
	k.run()
	k.imports.run()
	k.clock.Add(24 * time.Hour)
	k.put(strings.Replace(nameOf(1), "1128", "1129", 1), makeZIP("b", 12), old.Add(24*time.Hour))
	k.put(strings.Replace(nameOf(2), "1128", "1129", 1), storedZIP(5*mebibyte), old.Add(24*time.Hour))
	k.put(ImportsFolder+"/history.zip", zipOf([2]string{"a.eml", conversation("a@contoso.example", "", "a")},
		[2]string{"b.eml", conversation("b@contoso.example", "", "b")}), old.Add(24*time.Hour))
	return k
}

func (k *walk) put(name string, data []byte, at time.Time) {
	k.t.Helper()
	if k.server != nil {
		k.server.Put(name, file(data, at))
		return
	}
	k.at.Set(at)
	folder, base := path.Split(name)
	landing := k.landing(k.landed, strings.TrimSuffix(folder, "/"))
	if err := landing.Put(k.t.Context(), base, bytes.NewReader(data)); err != nil {
		k.t.Fatal(err)
	}
}

// landing returns a folder of the landing container on a way to it.
func (k *walk) landing(way http.RoundTripper, folder string) *archive.Landing {
	k.t.Helper()
	accept := delivery.IsDelivery
	if folder != "" {
		accept = delivery.IsZIP
	}
	l, err := archive.OpenLanding(archive.Config{ConnectionString: k.landed.ConnectionString(),
		HTTP: &http.Client{Transport: way}}, folder, accept)
	if err == nil && way == k.landed && folder == "" {
		err = l.CreateContainer(k.t.Context())
	}
	if err != nil {
		k.t.Fatal(err)
	}
	return l
}

// heal removes the faults of the store, and its connection.
func (k *walk) heal() {
	k.t.Helper()
	if k.server == nil {
		k.store, k.imports.store = k.landing(k.landed, ""), k.landing(k.landed, ImportsFolder)
		return
	}
	k.server.Heal()
	k.store, k.imports.store = k.storeOf(k.server), k.importsOf(k.server)
}

// through sends what is asked of a storage through a plan.
func (k *walk) through(p *fault.Plan, service string, storage *archivetest.Storage) http.RoundTripper {
	k.t.Helper()
	proxy := &httputil.ReverseProxy{Transport: storage, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(storage.BlobURL()) }}
	way, stop := pipetest.Serve(p.Before(service, blobCall, proxy))
	k.t.Cleanup(stop)
	return way
}

// runWith lets the faults of a plan happen during one run.
func (k *walk) runWith(p *fault.Plan) (read int, _ error) {
	k.t.Helper()
	if k.server == nil {
		way := k.through(p, "landing", k.landed)
		k.store, k.imports.store = k.landing(way, ""), k.landing(way, ImportsFolder)
	}
	return k.runBoth(k.OpenWith(k.through(p, "blob", k.Storage)))
}

// runBoth runs both intakes, as an invocation of fetch does, also if the first one fails. read counts the ZIPs of both.
func (k *walk) runBoth(s *archive.Store) (read int, _ error) {
	k.t.Helper()
	deliveries, err := k.try(k.t.Context(), k.intake(s))
	imports, ierr := k.imports.try(k.t.Context(), k.imports.intake(s))
	return deliveries.Read + imports.Read, errors.Join(err, ierr)
}

// blobCall is the operation, the container, and what the blob is.
func blobCall(r *http.Request) string {
	path := strings.Trim(r.URL.Path, "/")
	container, name, _ := strings.Cut(path, "/")
	if container == archive.BatchesContainer && strings.HasSuffix(name, "manifest.json") {
		container = "manifest"
	} else if container == archive.CheckpointsContainer {
		container = name
	} else if container == archive.StatusContainer { // the progress, a run or a report
		container, _, _ = strings.Cut(name, "/")
	}
	words := []string{r.Method, r.URL.Query().Get("comp"), r.Header.Get("X-Ms-Lease-Action"), container}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// heals lets the next runs go without a fault, and compares what is there with the batches of a day without one.
func (w *walk) heals(t *testing.T, want map[string]string) {
	t.Helper()
	w.heal()
	if _, err := w.runBoth(w.Store); err != nil {
		t.Errorf("the next run: %v", err)
	}
	if got := w.outcomes() + ", " + w.imports.outcomes(); got != "complete complete complete, complete" {
		t.Errorf("outcomes %q", got)
	}
	if diff := cmp.Diff(slices.Sorted(keysOf(want)), slices.Sorted(keysOf(w.batches()))); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	} else if !cmp.Equal(want, w.batches()) {
		t.Error("the bytes of the batches differ")
	}
	w.entries()
	w.CheckRuns(4)
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
// up for it, and the batches are those of a day without a fault. That is the long form. The short form is a sample: one
// step for each kind of call, which the seed chooses.
func TestEveryCallOfADelivery(t *testing.T) {
	hostKey()
	form := soak.ForTest(t)
	var want map[string]string
	var onSFTP map[deliverytest.Phase]int // calls of the day
	groups := [][]walkStep{}
	for _, onLanding := range []bool{false, true} {
		var plan fault.Plan
		inBubble(t, func(t *testing.T) {
			w := newWalk(t, onLanding)
			var before map[deliverytest.Phase]int
			if !onLanding {
				w.server.CutAll()
				before = w.server.Calls()
			}
			if read, err := w.runWith(&plan); err != nil || read != 3 {
				t.Fatalf("without a fault: %d read, %v", read, err)
			}
			if !onLanding {
				onSFTP = w.server.Calls()
				for phase := range onSFTP {
					onSFTP[phase] -= before[phase]
				}
			}
			want = w.batches()
			w.heals(t, want)
		})
		kinds, count := plan.Calls()
		if onLanding {
			kinds = slices.DeleteFunc(kinds, func(kind string) bool { return !strings.HasPrefix(kind, "landing ") })
		}
		if !onLanding && len(kinds) < 14 || onLanding && len(kinds) != 2 {
			t.Errorf("kinds of calls: %v", kinds)
		}
		for _, kind := range kinds {
			var group []walkStep
			for _, f := range slices.Concat(fault.All(), fault.Pages(), fault.Bare()) {
				for n := range count[kind] {
					group = append(group, storageStep(kind, n+1, 1, f, want))
				}
				group = append(group, storageStep(kind, 1, always, f, want))
			}
			groups = append(groups, group)
		}
	}
	for phase, name := range []string{"accept", "sign-in", "subsystem", "opendir", "readdir", "open", "read", "close"} {
		groups = append(groups, sftpSteps(deliverytest.Phase(phase), name, onSFTP[deliverytest.Phase(phase)], want))
	}
	t.Logf("calls to the SFTP server by phase: %v", onSFTP)
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
		w := newWalk(t, strings.HasPrefix(kind, "landing "))
		var plan fault.Plan
		plan.Fail(kind, n, times, f)
		_, _ = w.runWith(&plan)
		plan.Settle()
		time.Sleep(time.Minute) // a lease that was not released expires
		if plan.Hit() == 0 {
			t.Error("the call did not come, so the fault hit nothing")
		}
		w.heals(t, want)
	}}
}

// sftpSteps returns the steps of one phase, which a day reaches count times: each of these times, and all from the
// first, the second or the last on.
func sftpSteps(phase deliverytest.Phase, name string, count int, want map[string]string) (all []walkStep) {
	for kind, how := range []string{"stall", "freeze", "cut", "refuse"} {
		add := func(f deliverytest.Fault) {
			f.Phase, f.Kind = phase, deliverytest.Kind(kind)
			all = append(all, sftpStep(fmt.Sprintf("sftp %s %s %d %d", name, how, f.Skip, f.Times), f, want))
		}
		for n := range count {
			add(deliverytest.Fault{Skip: n})
			if n < 2 || n == count-1 {
				add(deliverytest.Fault{Skip: n, Times: always})
			}
		}
	}
	return all
}

func sftpStep(name string, f deliverytest.Fault, want map[string]string) walkStep {
	return walkStep{name, func(t *testing.T) {
		w := newWalk(t, false)
		w.server.CutAll()
		w.server.Fail(f)
		_, _ = w.runBoth(w.Store)
		if w.server.Hits() == 0 {
			t.Error("the call did not come, so the fault hit nothing")
		}
		w.heals(t, want)
	}}
}
