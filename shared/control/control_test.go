package control

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
)

var morning = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// office is an archive with a queue of each app, whose clock a test moves.
type office struct {
	t     *testing.T
	store *archive.Store
	now   time.Time
	put   int
}

func newOffice(t *testing.T) *office {
	t.Helper()
	storage := archivetest.ForTest(t, nil)
	o := &office{t: t, store: open(t, storage, storage), now: morning}
	if err := o.store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	return o
}

func open(t *testing.T, storage *archivetest.Storage, way http.RoundTripper) *archive.Store {
	t.Helper()
	store, err := archive.Open(archive.Config{
		ConnectionString: storage.ConnectionString(), HTTP: &http.Client{Transport: way}})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func (o *office) queue(app string) *Queue {
	answers := map[string]*archive.Documents{"fetch": o.store.Status(), "import": o.store.Reports()}[app]
	return NewQueue(Options{App: app, Commands: o.store.Commands(), Answers: answers,
		Now: func() time.Time { return o.now }})
}

// ask writes a command and returns its name.
func (o *office) ask(app string, content any) string {
	o.t.Helper()
	o.put++
	name := Name(o.now.Add(time.Duration(o.put)*time.Second), fmt.Sprintf("%08x", o.put))
	if _, err := o.store.Commands().Put(o.t.Context(), app+"/"+name+".json", content, "", nil); err != nil {
		o.t.Fatal(err)
	}
	return name
}

func (o *office) pending(q *Queue) []*Task {
	o.t.Helper()
	tasks, err := q.Pending(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	return tasks
}

func (o *office) answer(q *Queue, name string) (a Answer) {
	o.t.Helper()
	if _, err := q.opts.Answers.Get(o.t.Context(), "answers/"+name+".json", &a); err != nil {
		o.t.Fatalf("the answer to %s: %v", name, err)
	}
	return a
}

func names(tasks []*Task) (all []string) {
	for _, t := range tasks {
		all = append(all, t.Name)
	}
	return all
}

func TestParse(t *testing.T) {
	from, to := morning.AddDate(0, 0, -2), morning.AddDate(0, 0, -1)
	const span = `"from":"2026-11-21T09:00:00Z","to":"2026-11-22T09:00:00Z"`
	tests := []struct {
		name, app, text string
		want            Command
		refused         string // a part of the reason
	}{
		{"run", "fetch", `{"kind":"run"}`, Command{Kind: Run}, ""},
		{"backfill", "fetch", `{"kind":"backfill",` + span + `,"by":"a person"}`,
			Command{Kind: Backfill, From: from, To: to}, ""},
		{"check of fetch", "fetch", `{"kind":"check"}`, Command{Kind: Check}, ""},
		{"check of import", "import", `{"kind":"check","mailbox":"test@contoso.example"}`,
			Command{Kind: Check, Mailbox: "test@contoso.example"}, ""},
		{"replay", "import", `{"kind":"replay","what":"2026/11/23/run"}`,
			Command{Kind: Replay, What: "2026/11/23/run"}, ""},
		{"replay of lines", "import", `{"kind":"replay","what":"2026/11/23/run/00001.ndjson","lines":[3,1]}`,
			Command{Kind: Replay, What: "2026/11/23/run/00001.ndjson", Lines: []int{3, 1}}, ""},
		{"replay of a reason", "import", `{"kind":"replay","what":"2026/11/23/run","reason":"noMailbox"}`,
			Command{Kind: Replay, What: "2026/11/23/run", Reason: "noMailbox"}, ""},
		{"dry run", "import", `{"kind":"dryrun","what":"2026/11/23/run"}`,
			Command{Kind: DryRun, What: "2026/11/23/run"}, ""},
		{"estimate", "fetch", `{"kind":"estimate",` + span + `}`, Command{Kind: Estimate, From: from, To: to}, ""},

		{"lines of a run", "import", `{"kind":"replay","what":"2026/11/23/run","lines":[3]}`, Command{},
			"those of a batch"},
		{"line 0", "import", `{"kind":"replay","what":"2026/11/23/run/00001.ndjson","lines":[0]}`, Command{},
			"from 1 to 10000"},
		{"too many lines", "import", `{"kind":"replay","what":"2026/11/23/run/00001.ndjson","lines":[1` +
			strings.Repeat(",1", 1000) + `]}`, Command{}, "more than 1000 lines"},
		{"lines and a reason", "import",
			`{"kind":"replay","what":"2026/11/23/run/00001.ndjson","lines":[3],"reason":"noMailbox"}`,
			Command{}, "either"},
		{"a reason that is a text", "import", `{"kind":"replay","what":"2026/11/23/run","reason":"no mailbox"}`,
			Command{}, "its reason is none"},
		{"lines that are texts", "import", `{"kind":"replay","what":"2026/11/23/run/00001.ndjson","lines":["1"]}`,
			Command{}, `"what":`},
		{"a dry run of lines", "import", `{"kind":"dryrun","what":"2026/11/23/run/00001.ndjson","lines":[1]}`,
			Command{}, "only a replay"},
		{"an estimate of a run", "fetch", `{"kind":"estimate","what":"2026/11/23/run"}`, Command{}, "from and to"},

		{"a replay of a text", "import", `{"kind":"replay","what":"jane@contoso.example"}`, Command{},
			"no run or batch"},
		{"a dry run of a number", "import", `{"kind":"dryrun","what":"+447700900123"}`, Command{}, "no run or batch"},
		{"a dry run of a day", "import", `{"kind":"dryrun","what":"2026/11/23"}`, Command{}, "no run or batch"},
		{"a dry run of a blob", "import", `{"kind":"dryrun","what":"2026/11/23/run/manifest.json"}`, Command{},
			"no run or batch"},

		{"no kind", "fetch", `{}`, Command{}, "run, backfill, estimate, check"},
		{"a kind of the other app", "fetch", `{"kind":"replay","what":"x"}`, Command{},
			"run, backfill, estimate, check"},
		{"a kind of the other app", "import", `{"kind":"run"}`, Command{}, "replay, dryrun, tally, check"},
		{"half of a backfill", "fetch", `{"kind":"backfill","from":"2026-11-21T09:00:00Z"}`, Command{}, "from and to"},
		{"a run with a range", "fetch", `{"kind":"run",` + span + `}`, Command{}, "no further members"},
		{"a check without a mailbox", "import", `{"kind":"check"}`, Command{Kind: Check}, ""},
		{"a pause", "portal", `{"kind":"pause","app":"import"}`, Command{Kind: PauseApp, App: "import"}, ""},
		{"a pause of another app", "portal", `{"kind":"pause","app":"portal"}`, Command{}, "neither fetch nor import"},
		{"a pause of fetch by fetch", "fetch", `{"kind":"pause","app":"fetch"}`, Command{}, "no command of that kind"},
		{"a check of fetch with one", "fetch", `{"kind":"check","mailbox":"x"}`, Command{}, "no further members"},
		{"a member that is none", "import", `{"kind":"replay","what":"x","force":true}`, Command{}, `"what":`},
		{"a wrong type", "fetch", `{"kind":"backfill","from":1,"to":2}`, Command{}, `"from":`},
		{"no JSON", "fetch", `run`, Command{}, `"kind":`},
		{"null", "fetch", `null`, Command{}, "run, backfill, estimate, check"},
		{"two", "fetch", `{"kind":"run"}{"kind":"run"}`, Command{}, `"kind":`},
		{"nothing", "fetch", ``, Command{}, `"kind":`},
		{"too large", "fetch", `{"kind":"run","by":"` + strings.Repeat("x", 9000) + `"}`, Command{}, "larger than"},
	}
	for _, tt := range tests {
		t.Run(tt.app+" "+tt.name, func(t *testing.T) {
			got, err := parseCommand(tt.app, []byte(tt.text))
			if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Fatalf("error %v, want %q", err, tt.refused)
			}
			if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

// What a command holds comes from outside: whatever it is, it is read or refused, and no reason repeats it.
func FuzzParse(f *testing.F) {
	f.Add("fetch", []byte(`{"kind":"backfill","from":"2026-11-21T09:00:00Z","to":"2026-11-22T09:00:00Z"}`))
	f.Add("import", []byte(`{"kind":"check","mailbox":"jane@contoso.example"}`))
	f.Fuzz(func(t *testing.T, app string, text []byte) {
		c, err := parseCommand(app, text)
		if err != nil && len(text) > 60 && strings.Contains(err.Error(), string(text)) {
			t.Errorf("the reason repeats the command: %v", err)
		}
		if err == nil && c.Kind == "" {
			t.Error("a command without a kind was read")
		}
	})
}

// The least tried command is first, then the oldest. Other names, and the other app's commands, are none.
func TestPendingInOrder(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	if tasks := o.pending(q); len(tasks) != 0 {
		t.Fatalf("an empty container has %v", names(tasks))
	}
	first := o.ask("fetch", map[string]string{"kind": "run"})
	second := o.ask("fetch", map[string]string{"kind": "check"})
	o.ask("import", map[string]string{"kind": "replay", "what": "2026/11/23/run"})
	for _, name := range []string{"fetch/readme.txt", "fetch/20261123T090000Z.json", "fetch/x/" + first + ".json",
		"fetch/20269923T090000Z-00000001.json", "fetch/20261123T090000Z-0000000G.json"} {
		if _, err := o.store.Commands().Put(t.Context(), name, "x", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	tasks := o.pending(q)
	if diff := cmp.Diff([]string{first, second}, names(tasks)); diff != "" {
		t.Fatalf("pending (-want +got):\n%s", diff)
	}
	if err := q.Begin(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{second, first}, names(o.pending(q))); diff != "" {
		t.Errorf("after a try of the first (-want +got):\n%s", diff)
	}
}

// An answer says how far a command is, and a finished command is not taken up again.
func TestAnswerOfACommand(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	name := o.ask("fetch", map[string]any{"kind": "backfill", "from": morning.AddDate(0, 0, -3), "to": morning})
	task := o.pending(q)[0]
	taken := o.now
	o.now = o.now.Add(time.Minute)
	if err := q.Begin(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if err := q.Progress(t.Context(), task, 1, 3, "one of three"); err != nil {
		t.Fatal(err)
	}
	want := Answer{Version: 1, Command: name, Kind: Backfill, State: Working, Says: "one of three", Taken: taken,
		At: o.now, Done: 1, Of: 3, Tries: 1}
	if diff := cmp.Diff(want, o.answer(q, name)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	again := o.pending(q) // another process continues
	if len(again) != 1 {
		t.Fatalf("pending: %v", names(again))
	}
	if diff := cmp.Diff(want, again[0].Answer); diff != "" {
		t.Errorf("what the next process knows (-want +got):\n%s", diff)
	}
	if err := q.Finish(t.Context(), again[0], Done, "all"); err != nil {
		t.Fatal(err)
	}
	if tasks := o.pending(q); len(tasks) != 0 {
		t.Errorf("taken up again: %v", names(tasks))
	}
	// The first process, which was frozen, does not bring it back to life.
	if err := q.Progress(t.Context(), task, 2, 3, "two of three"); err != nil {
		t.Fatal(err)
	}
	if got := o.answer(q, name); got.State != Done || got.Says != "all" {
		t.Errorf("answer %+v", got)
	}
}

// What cannot be carried out gets a reason, once, and keeps no other command from its turn.
func TestRefusedCommands(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	bad := o.ask("fetch", map[string]string{"kind": "format-disk"})
	text := o.ask("fetch", "jane@contoso.example")
	large := o.ask("fetch", map[string]string{"kind": "run", "by": strings.Repeat("x", 10_000)})
	old := o.ask("fetch", map[string]string{"kind": "run"})
	o.now = o.now.Add(8 * 24 * time.Hour)
	good := o.ask("fetch", map[string]string{"kind": "run"})
	if diff := cmp.Diff([]string{good}, names(o.pending(q))); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
	for name, why := range map[string]string{bad: "no command of that kind", text: "cannot be read",
		large: "cannot be read", old: "older than seven days"} {
		got := o.answer(q, name)
		if got.State != Refused || !strings.Contains(got.Says, why) || strings.Contains(got.Says, "jane") {
			t.Errorf("answer %+v, want a refusal with %q", got, why)
		}
	}
}

// More commands than can be listed are reported: the newest of them would never be seen.
func TestTooManyCommands(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	q.limit = 2
	for n := range 3 {
		o.ask("fetch", map[string]string{"kind": "run"})
		tasks, err := q.Pending(t.Context())
		if (err != nil) != (n == 2) || err == nil && len(tasks) != n+1 {
			t.Errorf("%d commands: %v, %v", n+1, names(tasks), err)
		}
	}
}

// A command that was taken up in time may take longer than a week.
func TestOldCommandThatHasBegun(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	o.ask("fetch", map[string]string{"kind": "run"})
	if err := q.Begin(t.Context(), o.pending(q)[0]); err != nil {
		t.Fatal(err)
	}
	o.now = o.now.Add(30 * 24 * time.Hour)
	if tasks := o.pending(q); len(tasks) != 1 || tasks[0].Answer.Tries != 1 {
		t.Errorf("pending: %v", names(tasks))
	}
}

// One command that can't be read does not keep the others from their turns.
func TestUnreadableCommandStopsNoOther(t *testing.T) {
	storage := archivetest.ForTest(t, nil)
	o := &office{t: t, store: open(t, storage, storage), now: morning}
	if err := o.store.CreateContainers(t.Context()); err != nil {
		t.Fatal(err)
	}
	bad, good := o.ask("fetch", map[string]string{"kind": "run"}), o.ask("fetch", map[string]string{"kind": "check"})
	o.store = open(t, storage, storage.Through(func(r *http.Request) archivetest.Fault {
		if strings.HasSuffix(r.URL.Path, bad+".json") {
			return archivetest.Archived
		}
		return archivetest.Pass
	}))
	tasks, err := o.queue("fetch").Pending(t.Context())
	if !errors.Is(err, archive.ErrArchived) {
		t.Errorf("error %v, want %v", err, archive.ErrArchived)
	}
	if diff := cmp.Diff([]string{good}, names(tasks)); diff != "" {
		t.Errorf("pending (-want +got):\n%s", diff)
	}
}

// An answer that is damaged is written anew: its command is not tried for ever without one. One that is final, although
// the listing does not say so, ends its command.
func TestDamagedAnswer(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	damaged := o.ask("fetch", map[string]string{"kind": "run"})
	finished := o.ask("fetch", map[string]string{"kind": "run"})
	for name, answer := range map[string]any{
		damaged: map[string]any{"state": "working", "tries": "many"}, finished: Answer{State: Done},
	} {
		if _, err := q.opts.Answers.Put(t.Context(), "answers/"+name+".json", answer, "", nil); err != nil {
			t.Fatal(err)
		}
	}
	tasks := o.pending(q)
	if diff := cmp.Diff([]string{damaged}, names(tasks)); diff != "" {
		t.Fatalf("pending (-want +got):\n%s", diff)
	}
	if err := q.Begin(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	if got := o.answer(q, damaged); got.State != Working || got.Tries != 1 || got.Command != damaged {
		t.Errorf("answer %+v", got)
	}
}

// Commands that take long, however many they are, keep no new one from being read.
func TestManyCommandsAtWork(t *testing.T) {
	o := newOffice(t)
	q := o.queue("fetch")
	for range maxPending {
		o.ask("fetch", map[string]string{"kind": "run"})
	}
	for _, task := range o.pending(q) {
		if err := q.Begin(t.Context(), task); err != nil {
			t.Fatal(err)
		}
	}
	check := o.ask("fetch", map[string]string{"kind": "check"})
	tasks := o.pending(q)
	if len(tasks) != maxPending || tasks[0].Name != check {
		t.Errorf("%d are pending, without the new one: %v", len(tasks), names(tasks[:1]))
	}
}
