package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/host"
	"o2archiver/local/sample"
	"o2archiver/local/soak"
	"o2archiver/shared/journal"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/report"
	"o2archiver/shared/settings"
)

// The end-to-end tests run the product as a person does, with the built binaries as processes of their own.

// fewTexts is the number of texts in the short form of the end-to-end tests. The long form has all of them.
const fewTexts = "40"

// localArchive is one archive on disk, and what is done with it.
type localArchive struct {
	t    *testing.T
	dir  string
	env  map[string]string
	made *sample.Day // see day
}

func newArchive(t *testing.T) *localArchive {
	return &localArchive{t: t, dir: t.TempDir(), env: map[string]string{}}
}

func (a *localArchive) lookup(name string) (string, bool) {
	v, ok := a.env[name]
	return v, ok
}

// run is `go run ./local -storage DIR` with more arguments, and with a small day in the short form. It runs in the
// process of the test.
func (a *localArchive) run(args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	var out, err bytes.Buffer
	code = run(a.t.Context(), a.flags(args), a.lookup, &out, &err)
	return code, out.String(), err.String()
}

func (a *localArchive) flags(args []string) []string {
	a.t.Helper()
	texts := fewTexts
	if soak.ForTest(a.t).Long {
		texts = "0"
	}
	return append([]string{"-storage", a.dir, "-limit", "20m", "-texts", texts}, args...)
}

// program is the command local, built as `make run` builds it: without the race detector, with which its stand-ins take
// many times as long.
var program struct {
	once sync.Once
	path string
	err  error
}

// runProgram is run in a process of its own.
func (a *localArchive) runProgram(args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	program.once.Do(func() {
		if program.path, program.err = os.Executable(); program.err != nil {
			return
		}
		program.path = filepath.Join(filepath.Dir(program.path), "local-program")
		build := exec.Command("go", "build", "-trimpath", "-o", program.path, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			program.err = fmt.Errorf("build the command local: %w\n%s", err, out)
		}
	})
	if program.err != nil {
		a.t.Fatal(program.err)
	}
	var out, said bytes.Buffer
	cmd := exec.CommandContext(a.t.Context(), program.path, a.flags(args)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it ends what it has started
	cmd.WaitDelay = time.Minute
	for _, v := range os.Environ() { // the settings are the test's alone
		if name, _, _ := strings.Cut(v, "="); !slices.ContainsFunc(settings.Table(),
			func(s settings.Setting) bool { return s.Name == name }) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	for name, value := range a.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		a.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), said.String()
}

// printed is the JSON form of the summary, read as a stranger would.
type printed struct {
	Records, Copies, Runs, Reasons, Unmapped map[string]int
	LeftOut, Missing, Absent                 map[string]int

	Types  map[string]map[string]int
	Source struct {
		Total             *int
		Received, Differs int
	}
	Incomplete, Differing int
}

func (a *localArchive) runJSON(args ...string) (int, printed) {
	a.t.Helper()
	code, stdout, stderr := a.runProgram(append(args, "-json")...)
	var p printed
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		a.t.Fatalf("the summary is no JSON (%v): %q\n%s", err, stdout, lastLines(stderr))
	}
	if code != 0 {
		a.t.Logf("exit code %d:\n%s", code, lastLines(stderr))
	}
	return code, p
}

// day is the sample day that the archive holds. It is made once: that takes seconds with the race detector.
func (a *localArchive) day() *sample.Day {
	a.t.Helper()
	if a.made != nil {
		return a.made
	}
	saved, err := readDay(filepath.Join(a.dir, sampleFile))
	if err != nil {
		a.t.Fatal(err)
	}
	a.made = saved.make()
	return a.made
}

// mailboxes opens what the Graph stand-in has kept.
func (a *localArchive) mailboxes(day *sample.Day) *mailboxtest.Graph {
	a.t.Helper()
	o := mailboxtest.Options{Dir: filepath.Join(a.dir, "graph")}
	for _, u := range day.Users {
		o.Users = append(o.Users, mailboxtest.User(u))
	}
	g, err := mailboxtest.Open(o)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { _ = g.Close() })
	return g
}

// checkDay holds summary, mailboxes and log to what the sample day knows by its construction.
func (a *localArchive) checkDay(got printed) {
	a.t.Helper()
	day := a.day()
	e := day.Expect
	want := printed{
		Records: map[string]int{"collected": e.Items, "archived": e.Archived, "unmapped": e.Unmapped,
			"excluded":    e.Excluded,
			"quarantined": e.Quarantined, "failed": 0, "pending": 0, "leftOut": e.LeftOut, "incomplete": e.Incomplete,
			"differing": e.Others},
		Copies: map[string]int{"planned": e.Planned, "imported": e.Imported, "duplicate": e.Duplicate,
			"oversize": e.Oversize, "failed": 0, "pending": 0},
	}
	want.Source.Total, want.Source.Received = &e.Items, e.Items
	want.Incomplete, want.Differing = e.Gone, e.Differing
	reasons, outcomes := 0, map[string]int{"collected": e.Items, "pending": 0}
	for _, n := range got.Reasons {
		reasons += n
	}
	for kind, of := range got.Types {
		whole := 0
		for outcome, n := range of {
			outcomes[outcome] += n
			whole += n
		}
		// What can't be read has no type.
		if kind = strings.ToUpper(kind); whole == 0 || kind != "" && whole > e.Kinds[kind] || kind == "SYSTEM" &&
			of["excluded"] != e.Excluded {
			a.t.Errorf("type %q: %v, of %d items", kind, of, e.Kinds[kind])
		}
	}
	// these have no type
	outcomes["leftOut"], outcomes["incomplete"], outcomes["differing"] = e.LeftOut, e.Incomplete, e.Others
	if diff := cmp.Diff(want.Records, outcomes); diff != "" {
		a.t.Errorf("the types don't add up (-records +types):\n%s", diff)
	}
	if reasons != e.Quarantined || got.Runs["all"] == 0 || got.Runs["open"] != 0 || len(got.Unmapped) == 0 {
		a.t.Errorf("%d reasons for %d that are quarantined; runs %v, unmapped %v", reasons, e.Quarantined, got.Runs,
			got.Unmapped)
	}
	if got.LeftOut["callInfo"] != 1 || got.LeftOut["to"] != 2 || len(got.Missing) == 0 || len(got.Absent) != 0 {
		a.t.Errorf("fields left out %v, missing %v, in no item %v", got.LeftOut, got.Missing, got.Absent)
	}
	got.Types, got.Reasons, got.Runs, got.Unmapped = nil, nil, nil, nil // looked at above
	got.LeftOut, got.Missing, got.Absent = nil, nil, nil
	if diff := cmp.Diff(want, got); diff != "" {
		a.t.Errorf("summary (-want +got):\n%s", diff)
	}
	a.checkMailboxes(day)
	a.checkLog(day)
}

func (a *localArchive) checkMailboxes(day *sample.Day) {
	a.t.Helper()
	g := a.mailboxes(day)
	counts, odd := map[string]int{}, map[string]int{}
	for _, u := range day.Users {
		keys := map[string]bool{}
		for _, m := range g.Messages(u.ID) {
			counts[u.ID]++
			key, ok := m.Property("ArchiveKey")
			state, marked := m.Property("ImportState")
			switch {
			case m.Draft:
				odd["drafts"]++
			case m.FolderName != "O2 SMS and Voice Network Archiver":
				odd["in another folder"]++
			case !ok || keys[key]:
				odd["without a key of their own"]++
			case marked && state != "complete":
				odd["partial"]++
			}
			keys[key] = true
		}
	}
	if diff := cmp.Diff(day.Expect.Messages, counts); diff != "" {
		a.t.Errorf("messages per mailbox (-want +got):\n%s", diff)
	}
	if len(odd) > 0 {
		a.t.Errorf("messages that are not as they should be: %v", odd)
	}
}

// logs returns everything that was logged by all starts.
func (a *localArchive) logs() (all []byte) {
	a.t.Helper()
	files, err := filepath.Glob(filepath.Join(a.dir, logsFolder, "*.log"))
	if err != nil || len(files) == 0 {
		a.t.Fatalf("%d logs: %v", len(files), err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			a.t.Fatal(err)
		}
		all = append(all, raw...)
	}
	return all
}

// checkLog looks for every text, number, address and name of the day in everything that was logged.
func (a *localArchive) checkLog(day *sample.Day) {
	a.t.Helper()
	raw := a.logs()
	log := strings.ToLower(string(raw))
	if !strings.Contains(log, `"event":"import.batchimported"`) { // in lower case, as all of log
		a.t.Fatal("the log holds nothing of the handlers, so that nothing is in it proves nothing")
	}
	for what, secrets := range map[string][]string{"text": day.Texts(), "number": day.Numbers(),
		"address": day.Addresses(), "name": day.Names()} {
		found := 0
		for _, s := range secrets {
			if strings.Contains(log, strings.ToLower(s)) {
				found++
			}
		}
		if found > 0 || len(secrets) == 0 {
			a.t.Errorf("%d of %d %ss of the day are in the log", found, len(secrets), what)
		}
	}
}

func lastLines(s string) string {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(s, "\r", "\n")), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// TestDay runs the sample day, the same day as the vendor's deliveries by SFTP (in the long form from a landing
// container as well), then the first once more, then a backfill over all of it.
func TestDay(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT: the end-to-end tests take minutes (-short)")
	}
	a := newArchive(t)
	a.firstDay()
	a.delivered(fromSFTP)
	if soak.ForTest(t).Long {
		a.delivered(fromLanding)
	}
	a.again()
	a.backfill()
}

// TestDayInTheRealHost runs the sample day; in the long form also what TestDay does after it.
func TestDayInTheRealHost(t *testing.T) {
	host.NeedFunc(t)
	if testing.Short() {
		t.Skip("LEFT OUT: the end-to-end tests take minutes (-short)")
	}
	a := newArchive(t)
	a.firstDay("-host", "func")
	if soak.ForTest(t).Long {
		a.again("-host", "func")
		a.backfill("-host", "func")
	}
}

// firstDay runs the sample day.
func (a *localArchive) firstDay(args ...string) {
	a.t.Helper()
	code, first := a.runJSON(args...)
	if code != 0 {
		a.t.Fatalf("exit code %d, want 0", code)
	}
	a.checkDay(first)
	a.checkQueries(len(args) == 0)
}

// again starts a second time, which changes nothing, and exports what was imported.
func (a *localArchive) again(args ...string) {
	a.t.Helper()
	exported := filepath.Join(a.t.TempDir(), "mail")
	code, second := a.runJSON(append(args, "-export", exported)...)
	if code != 0 {
		a.t.Fatalf("second start: exit code %d, want 0", code)
	}
	a.checkDay(second)
	a.checkExport(exported)
}

// backfill asks for all of the day again, and expects nothing new in any mailbox.
func (a *localArchive) backfill(args ...string) {
	t := a.t
	t.Helper()
	o, err := parseOptions(append([]string{"-storage", a.dir}, args...), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	w, err := startWorld(t.Context(), o, nil, a.lookup, &progress)
	if err != nil {
		t.Fatalf("third start: %v", err)
	}
	defer w.stop()
	day := a.day()
	input := fmt.Sprintf(`{"from":%q,"to":%q}`, day.Start.Format(time.RFC3339), day.End.Format(time.RFC3339))
	if err := w.drive(t.Context(), &progress, input); err != nil {
		t.Fatalf("backfill: %v\n%s", err, lastLines(progress.String()))
	}
	s, err := report.ReadSummary(t.Context(), w.store)
	if err != nil {
		t.Fatal(err)
	}
	if problems := s.Problems(); len(problems) > 0 {
		t.Errorf("after the backfill: %q", problems)
	}
	e := day.Expect
	if s.Records.Collected <= e.Items {
		t.Errorf("the backfill collected nothing: %d records in all, %d before it", s.Records.Collected, e.Items)
	}
	if s.Copies.Imported != e.Imported {
		t.Errorf("the backfill imported %d copies, want none", s.Copies.Imported-e.Imported)
	}
	if want := (journal.CopyTotals{Planned: s.Copies.Planned, Imported: e.Imported,
		Duplicate: s.Copies.Planned - e.Imported}); s.Copies != want {
		t.Errorf("copies after the backfill: %+v, want %+v", s.Copies, want)
	}
	w.stop()
	a.checkMailboxes(day)
	a.checkLog(day)
}
