package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"o2archiver/shared/archive"
	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

// stored is what a slice has left in the storage.
type stored struct {
	folder   string
	manifest *archive.Manifest // nil: not finished
	batches  [][]record.Entry
	infos    []archive.BatchInfo
}

// runs reads all runs of this world, in order of their folders.
func (w *world) runs() []stored {
	w.t.Helper()
	if w.found != nil {
		return w.found
	}
	ctx := context.Background()
	var all []stored
	for day := range w.days {
		folders, err := w.Store.Batches().Runs(ctx, day)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, folder := range folders {
			r := stored{folder: folder}
			var batches []archive.BatchInfo
			m, err := w.Store.Batches().ReadManifest(ctx, folder, func(b archive.BatchInfo) {
				batches = append(batches, b)
			})
			if err == nil {
				m.Batches = batches
				r.manifest = &m
			} else if !errors.Is(err, archive.ErrNotFound) {
				w.t.Fatal(err)
			}
			if r.infos, err = w.Store.Batches().List(ctx, folder); err != nil {
				w.t.Fatal(err)
			}
			for _, b := range r.infos {
				data, _, err := w.Store.Batches().Read(ctx, b.Name)
				if err != nil {
					w.t.Fatal(err)
				}
				r.batches = append(r.batches, entries(w.t, data))
			}
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b stored) int { return strings.Compare(a.folder, b.folder) })
	w.found = all
	return all
}

func entries(t *testing.T, batch []byte) (all []record.Entry) {
	t.Helper()
	for line := range bytes.Lines(batch) {
		var e record.Entry
		if err := json.Unmarshal(line, &e); err != nil || e.Version != 1 {
			t.Fatalf("a line of a batch: version %d, %v", e.Version, err)
		}
		all = append(all, e)
	}
	return all
}

// one is the only run there is.
func (w *world) one() stored {
	w.t.Helper()
	all := w.runs()
	if len(all) != 1 {
		w.t.Fatalf("%d runs, want 1", len(all))
	}
	return all[0]
}

// entries of all the run's batches.
func (r stored) entries() []record.Entry { return slices.Concat(r.batches...) }

// ids are the messageIds of all items in all batches, in order; an item without one has its hash.
func (w *world) ids() (ids []string) {
	w.t.Helper()
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			for _, it := range e.Items {
				var head struct {
					ID any `json:"messageId"`
				}
				if err := json.Unmarshal(it.Raw, &head); err != nil {
					w.t.Fatal(err)
				}
				ids = append(ids, fmt.Sprint(head.ID))
			}
		}
	}
	return ids
}

// texts are those of the records that import will make of the batches; a fault stands for itself.
func (w *world) texts() (texts []string) {
	w.t.Helper()
	for _, r := range w.runs() {
		for _, e := range r.entries() {
			rec, err := telemessage.Parse(e)
			if err != nil {
				texts = append(texts, err.Error())
				continue
			}
			texts = append(texts, rec.Text)
		}
	}
	return texts
}

// balanced checks that every run's counts agree with its batches.
func (w *world) balanced() {
	w.t.Helper()
	for _, r := range w.runs() {
		m := r.manifest
		if m == nil {
			w.t.Errorf("run %s has no manifest", r.folder)
			continue
		}
		staged := 0
		for _, e := range r.entries() {
			staged += e.Records()
		}
		if want := m.Received - m.Deferred + m.Taken; m.Records != want || m.Staged != want || staged != want {
			w.t.Errorf("run %s: received %d − set aside %d + taken %d = %d, but records %d, "+
				"staged %d, in the batches %d",
				r.folder, m.Received, m.Deferred, m.Taken, want, m.Records, m.Staged, staged)
		}
	}
}

// media reads a blob of the media container.
func (w *world) media(name string) []byte {
	w.t.Helper()
	body, _, err := w.Store.Media().Open(context.Background(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}
