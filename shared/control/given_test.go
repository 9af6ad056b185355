package control

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

func TestGive(t *testing.T) {
	o := newOffice(t)
	replay := Command{Kind: Replay, What: "2026/11/23/run/00001.ndjson", Lines: []int{4, 2}}
	give := func(id string, c Command) (string, error) {
		return Give(t.Context(), o.store.Commands(), "import", morning, id, "ann & bob@contoso.com", c)
	}
	var name string
	for range 3 { // a form that is sent three times
		var err error
		if name, err = give("0123456789abcdef", replay); err != nil || name != Name(morning, "0123456789abcdef") {
			t.Fatalf("name %q, %v", name, err)
		}
	}
	q := o.queue("import")
	tasks := o.pending(q)
	replay.Name, replay.Asked = name, morning
	if len(tasks) != 1 || cmp.Diff(replay, tasks[0].Command) != "" {
		t.Fatalf("the app finds %+v", tasks)
	}
	if _, err := give("0123456789abcdef", Command{Kind: Tally}); !errors.Is(err, ErrGiven) {
		t.Errorf("another command under this name: %v", err)
	}
	for _, bad := range []Command{{Kind: Run}, {Kind: Replay}, {Kind: Replay, What: "x", Lines: []int{1}}, {}} {
		if _, err := give("fedcba9876543210", bad); !errors.Is(err, ErrCommand) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for _, id := range []string{"", "1", "0123456789ABCDEF", "../../settings/x", "0123456789abcdef0123456789abcdef0"} {
		if _, err := give(id, replay); !errors.Is(err, ErrCommand) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// The process dies after its n-th write, for every n, and the form is sent again: there is one command.
func TestGiveKilledAtEveryWrite(t *testing.T) {
	for n, more := 0, true; more; n++ {
		storage := archivetest.ForTest(t, nil)
		o := &office{t: t, store: open(t, storage, storage), now: morning}
		if err := o.store.CreateContainers(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, kill := context.WithCancel(t.Context())
		death := archivetest.DieAfter(n, archivetest.IsWrite, kill)
		give := func(ctx context.Context, store *archive.Store) error {
			_, err := Give(ctx, store.Commands(), "fetch", morning, "0123456789abcdef", "ann", Command{Kind: Run})
			return err
		}
		_ = give(ctx, open(t, storage, storage.Through(death.Rule)))
		kill()
		more = death.Dead()
		if err := give(t.Context(), o.store); err != nil {
			t.Error(err)
		}
		if tasks := o.pending(o.queue("fetch")); len(tasks) != 1 {
			t.Errorf("after %d writes: %v", n, names(tasks))
		}
	}
}

func TestGivenIsRead(t *testing.T) {
	storage := archivetest.ForTest(t, nil)
	o := &office{t: t, store: open(t, storage, storage), now: morning}
	if err := o.store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	commands, answers := o.store.Commands(), o.store.Status()
	first := o.ask("fetch", map[string]any{"kind": "run", "by": "ann"})
	bad := o.ask("fetch", "text")
	last, err := Give(t.Context(), commands, "fetch", morning.Add(time.Hour), "0123456789abcdef", "bob",
		Command{Kind: Estimate, From: morning.AddDate(0, 0, -2), To: morning})
	if err != nil {
		t.Fatal(err)
	}
	q := o.queue("fetch")
	for _, task := range o.pending(q) {
		if task.Name == first {
			if err := q.Finish(t.Context(), task, Done, "all"); err != nil {
				t.Fatal(err)
			}
		}
	}
	var asked atomic.Int64
	counted := open(t, storage, storage.Through(func(*http.Request) archivetest.Fault {
		asked.Add(1)
		return archivetest.Pass
	}))
	containers := map[string]*archive.Documents{"fetch": counted.Status()}
	all, err := ListGiven(t.Context(), counted.Commands(), containers)
	if err != nil || len(all) != 3 || all[0].Kind != Estimate || all[1].Kind != "" {
		t.Fatalf("%+v, %v", all, err)
	}
	asked.Store(0)
	got, err := ReadListed(t.Context(), counted.Commands(), containers, all)
	if err != nil || len(got) != 3 || asked.Load() != 4 { // of the two that no form has given
		t.Fatalf("%d requests: %+v, %v", asked.Load(), got, err)
	}
	if g := got[0]; g.Command.Name != last || g.By != "bob" || g.Answer != nil || g.Command.Kind != Estimate ||
		!g.Command.From.Equal(morning.AddDate(0, 0, -2)) {
		t.Errorf("the last command is %+v", g)
	}
	if g := got[1]; g.Command.Name != bad || g.Command.Kind != "" || g.Answer == nil || g.Answer.State != Refused {
		t.Errorf("a command that is none is %+v", g)
	}
	if g := got[2]; g.Command.Name != first || g.By != "ann" || g.Answer == nil || g.Answer.State != Done {
		t.Errorf("the first command is %+v", g)
	}
	for _, name := range []string{"../settings/connector", Name(morning, "00000000")} {
		if _, err := ReadGiven(t.Context(), commands, answers, "fetch", name); !errors.Is(err, archive.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Steps are counted once, however often the process dies before they are saved.
func TestStep(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	name := o.ask("fetch", map[string]any{"kind": "estimate", "from": morning.AddDate(0, 0, -40), "to": morning})
	for turn := range 3 {
		task := o.pending(q)[0]
		if err := q.Begin(t.Context(), task); err != nil {
			t.Fatal(err)
		}
		if want := turn * stepsSaved; task.Answer.Done != want || task.Answer.Counts[CountItems] != int64(want) {
			t.Errorf("turn %d begins with %+v", turn, task.Answer)
		}
		for range stepsSaved + 3 {
			if err := q.Step(t.Context(), task, 40, map[string]int64{CountItems: 1}); err != nil {
				t.Fatal(err)
			}
		} // and dies
	}
	if a := o.answer(q, name); a.Done != 3*stepsSaved || a.Counts[CountItems] != int64(a.Done) || a.Of != 40 {
		t.Errorf("answer %+v", a)
	}
}

// TestFactsOfAnyName: a listing has the facts of a command with any name of a person: no page reads its document.
func TestFactsOfAnyName(t *testing.T) {
	o := newOffice(t)
	for i, by := range []string{"ann@contoso.com", "müller@contoso.example", "山田 \U0001F600 <b>\"\\ \u2028\x7f"} {
		name, err := Give(t.Context(), o.store.Commands(), "portal", morning.Add(time.Duration(i)*time.Minute),
			"0123456789abcdef", by, Command{Kind: PauseApp, App: "fetch"})
		if err != nil {
			t.Fatal(err)
		}
		all, err := ListGiven(t.Context(), o.store.Commands(), nil)
		if err != nil || len(all) != i+1 || all[0].Name != name || all[0].Kind != PauseApp {
			t.Fatalf("%q: %+v, %v", by, all, err)
		}
		if g, ok := all[0].given(); !ok || g.By != by || g.Command.App != "fetch" {
			t.Errorf("%q: the listing has %+v, %v", by, g, ok)
		}
	}
}

// TestListGivenIsWhole: a listing of some of the commands is an error. It would have the oldest.
func TestListGivenIsWhole(t *testing.T) {
	o := newOffice(t)
	for i := range 3 {
		if _, err := Give(t.Context(), o.store.Commands(), "portal", morning.Add(time.Duration(i)*time.Minute),
			"0123456789abcdef", "ann", Command{Kind: PauseApp, App: "fetch"}); err != nil {
			t.Fatal(err)
		}
	}
	for limit, whole := range map[int]bool{2: false, 3: true} {
		all, err := listGiven(t.Context(), o.store.Commands(), nil, limit)
		if whole != (err == nil && len(all) == 3) || !whole && !errors.Is(err, ErrTooMany) {
			t.Errorf("limit %d: %d commands, %v", limit, len(all), err)
		}
	}
}
