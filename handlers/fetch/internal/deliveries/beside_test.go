package deliveries

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/arrival"
)

func fileOf(name string) arrival.File { return arrival.File{Path: name, Size: 10, ModTime: old} }

// beside returns the world of the folder imports beside a world of deliveries: the same archive, clock and log.
func (w *world) beside() *world {
	imports := *w
	imports.shelf = &shelf{files: map[string]shelved{}}
	imports.rules.Import = &Import{}
	return &imports
}

// runBoth lets the intakes of both worlds run.
func runBoth(ctx context.Context, w, imports *world) ([]Result, error) {
	results, err := RunAll(ctx, slog.New(slog.NewJSONHandler(w.Log, nil)), w.intake(w.Store), imports.intake(w.Store))
	if err != nil {
		w.NoteError(err)
	}
	return results, err
}

// Deliveries come first, and then the folder imports. Whatever is wrong with one of them, the other one is read.
func TestBesideEachOther(t *testing.T) {
	t.Parallel()
	damage := func(w *world) {
		name := w.rules.form().state
		if _, err := w.Store.Checkpoints().Put(context.Background(), name, "no state", "*", nil); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, breakOne := range map[string]func(t *testing.T, w *world){
		"neither": nil,
		"the listing fails": func(_ *testing.T, w *world) {
			w.shelf.listed = errors.New("the connection was lost")
		},
		"its content never comes": func(_ *testing.T, w *world) { w.shelf.hangs = func(string) bool { return true } },
		"its state is damaged":    func(_ *testing.T, w *world) { damage(w) },
		"another instance reads it": func(t *testing.T, w *world) {
			lease, err := w.Store.Checkpoints().Lease(t.Context(), w.rules.form().state)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(lease.Release)
		},
	} {
		for broken := range 2 {
			t.Run(name, func(t *testing.T) {
				virtual(t, func(t *testing.T) {
					w := newWorld(t)
					both := []*world{w, w.beside()}
					both[0].shelf.put(nameOf(1), makeZIP(t, "a", 3), old)
					both[1].shelf.put("export.zip", zipOf(t, [2]string{"a.eml", conversation("c1", "", "x")}), old)
					if breakOne != nil {
						breakOne(t, both[broken])
					}
					results, err := runBoth(t.Context(), both[0], both[1])
					if len(results) != 2 || (err != nil) != (breakOne != nil) {
						t.Fatalf("%+v, %v", results, err)
					}
					for i, res := range results {
						if want := breakOne == nil || i != broken; (res.Read == 1) != want {
							t.Errorf("intake %d: %+v", i, res)
						}
					}
				})
			})
		}
	}
}

func TestDeliveriesComeFirst(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		imports := w.beside()
		var order []string
		for _, one := range []*world{w, imports} {
			one.shelf.during = func(path string, at int64) {
				if at == 0 {
					order = append(order, path)
				}
			}
		}
		w.shelf.put(nameOf(1), makeZIP(t, "a", 3), old)
		imports.shelf.put("export.zip", makeZIP(t, "b", 3), old)
		if _, err := runBoth(t.Context(), w, imports); err != nil || slices.Index(order, nameOf(1)) != 0 ||
			!slices.Contains(order, "export.zip") {
			t.Errorf("%v, %v", order, err)
		}
		order = nil
		w.shelf.put(nameOf(2), makeZIP(t, "c", 3), old)
		imports.shelf.put("later.zip", makeZIP(t, "d", 3), old)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.shelf.hangs = func(string) bool { return true }
		results, err := runBoth(ctx, w, imports)
		if !errors.Is(err, context.DeadlineExceeded) || len(results) != 1 || slices.Contains(order, "later.zip") {
			t.Errorf("without time left: %+v, %v, %v", results, order, err)
		}
		w.shelf.hangs = nil
		if results, err := runBoth(t.Context(), w, imports); err != nil || results[0].Read != 1 ||
			results[1].Read != 1 {
			t.Errorf("%+v, %v", results, err)
		}
	})
}

// An administrator who makes no folder imports, or empties it, is told nothing.
func TestNoImports(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		imports := w.beside()
		for range 3 {
			if res := imports.run(); res.Listed != (Listed{}) {
				t.Errorf("%+v", res)
			}
			w.clock.Add(48 * time.Hour)
		}
		if w.Log.Has(slog.LevelError, "") || w.Log.Has(slog.LevelWarn, "") {
			t.Errorf("%s", w.Log)
		}
		if _, err := w.Store.Checkpoints().Get(t.Context(), StateName, &State{}); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("the state of the deliveries: %v", err)
		}
	})
}
