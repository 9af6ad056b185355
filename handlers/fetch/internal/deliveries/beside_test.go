package deliveries

import (
	"context"
	"errors"
	"log/slog"
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
	imports.store = imports.shelf
	imports.rules.Import = &Import{}
	return &imports
}

// Whatever is wrong with one of the two intakes, the other one is read.
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
					both[0].shelf.put(nameOf(1), makeZIP("a", 3), old)
					both[1].shelf.put("export.zip", zipOf([2]string{"a.eml", conversation("c1", "", "x")}), old)
					if breakOne != nil {
						breakOne(t, both[broken])
					}
					for i, one := range both {
						res, err := one.try(t.Context(), one.intake(w.Store))
						want := breakOne == nil || i != broken
						if (res.Read == 1) != want || (err == nil) != want {
							t.Errorf("intake %d: %+v, %v", i, res, err)
						}
					}
				})
			})
		}
	}
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
