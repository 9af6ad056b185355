package infra

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/control"
)

const commandName = `\d{8}T\d{6}Z-[0-9a-f]{16}`

// desk is the storage that the scripts write to, over several calls of them.
type desk struct {
	t     *testing.T
	store string // the folder of the stand-in's blobs
	temp  string // where the scripts have their files
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{t: t, store: t.TempDir(), temp: t.TempDir()}
}

// run calls a script. Whatever it does, it leaves no file behind, and no flag of az holds what it was given.
func (d *desk) run(env []string, name string, args ...string) ran {
	d.t.Helper()
	env = append([]string{fakeStore + "=" + d.store, "TMPDIR=" + d.temp, "ARCHIVER_ROUNDS=6"}, env...)
	r := script(d.t, "", env, name, args...)
	if left, err := os.ReadDir(d.temp); err != nil || len(left) != 0 {
		d.t.Errorf("%s %q leaves %v, %v", name, args, left, err)
	}
	return r
}

// exit returns the exit code.
func (r ran) exit() int {
	if exit, ok := errors.AsType[*exec.ExitError](r.err); ok {
		return exit.ExitCode()
	}
	if r.err != nil {
		return -1
	}
	return 0
}

func (d *desk) blobs(container string) map[string]string {
	d.t.Helper()
	found := map[string]string{}
	files, err := filepath.Glob(filepath.Join(d.store, container, "*", "*"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, f := range files {
		name, err := filepath.Rel(filepath.Join(d.store, container), f)
		if err != nil {
			d.t.Fatal(err)
		}
		found[filepath.ToSlash(name)] = read(d.t, f)
	}
	return found
}

// answers returns the environment in which the apps answer so.
func (d *desk) answers(of map[string][]string) []string {
	d.t.Helper()
	raw, err := json.Marshal(of)
	if err != nil {
		d.t.Fatal(err)
	}
	file := filepath.Join(d.t.TempDir(), "answers.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return []string{"FAKE_ANSWERS=" + file}
}

const done = `{"v":1,"command":"c","kind":"run","state":"done","says":"everything is fetched",` +
	`"at":"2026-11-29T13:20:00Z"}`

// What the scripts write is what the apps read.
func TestCommandsAreRead(t *testing.T) {
	day := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, time.UTC) }
	const run = "2026/11/23/20261122T052000Z-20261123T052000Z"
	tests := []struct {
		app  string
		args []string
		want control.Command
	}{
		{"fetch", []string{"run"}, control.Command{Kind: control.Run}},
		{"fetch", []string{"backfill", "2026-11-01", "2026-11-02"},
			control.Command{Kind: control.Backfill, From: day(1, 0), To: day(2, 0)}},
		{"fetch", []string{"backfill", "2026-11-01T09:00:00Z", "2026-11-02t00:30:00+01:30"},
			control.Command{Kind: control.Backfill, From: day(1, 9), To: day(1, 23)}},
		{"fetch", []string{"check", "fetch"}, control.Command{Kind: control.Check}},
		{"import", []string{"replay", run}, control.Command{Kind: control.Replay, What: run}},
		{"import", []string{"replay", run + "/00001.ndjson", "lines", "3,10000"},
			control.Command{Kind: control.Replay, What: run + "/00001.ndjson", Lines: []int{3, 10_000}}},
		{"import", []string{"replay", run, "reason", "noMailbox"},
			control.Command{Kind: control.Replay, What: run, Reason: "noMailbox"}},
		{"import", []string{"dryrun", run}, control.Command{Kind: control.DryRun, What: run}},
		{"fetch", []string{"estimate", "2026-11-01", "2026-11-02"},
			control.Command{Kind: control.Estimate, From: day(1, 0), To: day(2, 0)}},
		{"import", []string{"tally"}, control.Command{Kind: control.Tally}},
		{"import", []string{"replay", run + "/a100000-zzb.ndjson"},
			control.Command{Kind: control.Replay, What: run + "/a100000-zzb.ndjson"}},
		{"import", []string{"check", "import", "o2-test+'`$&x`@contoso.example"},
			control.Command{Kind: control.Check, Mailbox: "o2-test+'`$&x`@contoso.example"}},
	}
	for _, tt := range tests {
		t.Run(tt.args[0]+" of "+tt.app, func(t *testing.T) {
			d := newDesk(t)
			env := d.answers(map[string][]string{
				"status":  {"", done[:len(done)-1] + `,"links":[{"link":"site","state":"ok","says":"works"}]}`},
				"reports": {done[:len(done)-1] + `,"links":[{"link":"graph","state":"ok","says":"works"}]}`}})
			began := time.Now().Truncate(time.Second)
			r := d.run(env, "command", tt.args...)
			r.good(t)
			written := d.blobs("commands")
			if len(written) != 1 {
				t.Fatalf("written: %v", written)
			}
			for name, content := range written {
				if !strings.Contains(r.out, strings.TrimSuffix(name, ".json")+"\n") {
					t.Errorf("the name %s is not shown:\n%s", name, r.out)
				}
				got := readAsApp(t, tt.app, name, content)
				if got.Asked.Before(began) || got.Asked.After(time.Now()) {
					t.Errorf("the command is of %v", got.Asked)
				}
				tt.want.Name, tt.want.Asked = got.Name, got.Asked
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("command (-want +got):\n%s", diff)
				}
			}
			for _, c := range r.calls {
				if line := strings.Join(c.Args, " "); strings.Contains(line, "contoso.example") ||
					strings.Contains(line, "kind") {
					t.Errorf("arguments are for everybody to read: %s", line)
				}
			}
			if n := len(r.with("storage blob upload", "--overwrite")); n != 0 {
				t.Error("a command is written over another one")
			}
		})
	}
}

// readAsApp returns the only command of an app's queue that holds this blob.
func readAsApp(t *testing.T, app, name, content string) control.Command {
	t.Helper()
	store := openArchive(t)
	if _, err := store.Commands().Put(t.Context(), name, json.RawMessage(content), "", nil); err != nil {
		t.Fatal(err)
	}
	tasks, err := queueOf(store, app).Pending(t.Context())
	if err != nil || len(tasks) != 1 {
		t.Fatalf("%s in the queue of %s: %d commands, %v", name, app, len(tasks), err)
	}
	return tasks[0].Command
}

func openArchive(t *testing.T) *archive.Store {
	t.Helper()
	storage := archivetest.ForTest(t, nil)
	store, err := archive.Open(archive.Config{
		ConnectionString: storage.ConnectionString(), HTTP: &http.Client{Transport: storage}})
	if err == nil {
		err = store.CreateContainers(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func queueOf(store *archive.Store, app string) *control.Queue {
	answers := map[string]*archive.Documents{"fetch": store.Status(), "import": store.Reports()}[app]
	return control.NewQueue(control.Options{App: app, Commands: store.Commands(), Answers: answers, Now: time.Now})
}

// And what the apps answer is what the scripts show, whatever a sentence holds.
func TestAnswersAreShown(t *testing.T) {
	store := openArchive(t)
	q := queueOf(store, "import")
	name := control.Name(time.Now(), "00000001")
	if _, err := store.Commands().Put(t.Context(), "import/"+name+".json",
		map[string]string{"kind": "check", "mailbox": "o2-test@contoso.example"}, "", nil); err != nil {
		t.Fatal(err)
	}
	tasks, err := q.Pending(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer := func() string {
		t.Helper()
		var raw json.RawMessage
		if _, err := store.Reports().Get(t.Context(), "answers/"+name+".json", &raw); err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	if err := q.Progress(t.Context(), tasks[0], 1, 3, `one "state":"done" of <three> \ & \u0041`); err != nil {
		t.Fatal(err)
	}
	working := answer()
	tasks[0].Answer.Links = []control.Link{
		{Link: "graph", State: control.LinkOK, Says: "works"},
		{Link: "mailbox", State: control.LinkFailed, Says: "a \x1b[31m\tred } ] , line\nand a \u2028 second, \"état\"",
			Do: `grant "it"`}}
	if err := q.Finish(t.Context(), tasks[0], control.Done, "1 of 2 links do not work"); err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	r := d.run(d.answers(map[string][]string{"reports": {"", "", working, working, answer()}}), "command", "check",
		"import", "o2-test@contoso.example")
	if r.exit() != 1 {
		t.Errorf("exit code %d", r.exit())
	}
	_, shown, _ := strings.Cut(r.out, "\n")
	if diff := cmp.Diff(`The app import takes it up within ten minutes.
working (1 of 3): one "state":"done" of <three> \ & \u0041
done (1 of 3): 1 of 2 links do not work
LINK              STATE    WHAT IT SAYS, AND WHAT TO DO
import graph      ok       works
import mailbox    failed   a ?[31m red } ] , line and a ? second, "état"
                           do: grant "it"
`, shown); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}

func TestCommandEndsAsTheAnswerSays(t *testing.T) {
	answer := func(state, rest string) string {
		return `{"v":1,"command":"c","state":"` + state + `","says":"S"` + rest + `}`
	}
	tests := []struct {
		name    string
		answers []string
		args    []string
		exit    int
		shown   string
	}{
		{"done", []string{answer("taken", ""), answer("done", "")}, []string{"run"}, 0, "taken: S\ndone: S\n"},
		{"refused", []string{answer("refused", "")}, []string{"run"}, 1, "refused: S\n"},
		{"failed", []string{answer("working", `,"done":3,"of":30`), answer("failed", "")}, []string{"run"}, 1,
			"working (3 of 30): S\nfailed: S\n"},
		{"links that are not ok", []string{answer("done", `,"links":[{"link":"site","state":"unknown","says":"T"}]`)},
			[]string{"check", "fetch"}, 1, "fetch site        unknown  T\n"},
		{"never taken up", []string{""}, []string{"run"}, 3, "has not taken it up"},
		{"still at work", []string{answer("working", "")}, []string{"run"}, 3,
			"It goes on; infra/command answer fetch/2"},
		{"storage is away for a moment", []string{"!away", "!away", "!away", answer("done", "")}, []string{"run"}, 0,
			"done: S\n"},
		{"an answer that can't be read", []string{`{"state":"do`, `{"state":"do`, answer("done", "")},
			[]string{"run"}, 0, "is not of the form of one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			r := d.run(d.answers(map[string][]string{"status": tt.answers}), "command", tt.args...)
			if r.exit() != tt.exit || !strings.Contains(r.out, tt.shown) {
				t.Errorf("exit code %d, want %d; it shows\n%s", r.exit(), tt.exit, r.out)
			}
		})
	}
}

// A role that is missing is named, with the container, and how to get it.
func TestMissingRoles(t *testing.T) {
	for _, tt := range []struct {
		denied, role string
		args         []string
	}{
		{"commands", "Storage Blob Data Contributor", []string{"run"}},
		{"upload:commands", "Storage Blob Data Contributor", []string{"check", "fetch"}},
		{"status", "Storage Blob Data Reader", []string{"run"}},
		{"download:reports", "Storage Blob Data Reader", []string{"replay", "2026/11/23/run"}},
		{"settings", "Storage Blob Data Contributor", []string{"pause"}},
		{"upload:settings", "Storage Blob Data Contributor", []string{"start"}},
	} {
		d := newDesk(t)
		r := d.run(append(d.answers(map[string][]string{"status": {done}, "reports": {done}}),
			"FAKE_DENIED="+tt.denied), "command", tt.args...)
		_, container, found := strings.Cut(tt.denied, ":")
		if !found {
			container = tt.denied
		}
		for _, want := range []string{"because you do not have the role " + tt.role + " on the container " + container,
			`--scope "/subscriptions/s1/resourceGroups/rg1/providers/Microsoft.Storage/storageAccounts/archive1` +
				`/blobServices/default/containers/` + container + `"`} {
			if r.exit() != 1 || !strings.Contains(r.out, want) {
				t.Errorf("%v without %s: exit code %d, not %q:\n%s", tt.args, tt.denied, r.exit(), want, r.out)
			}
		}
	}
}

// What az answers decides what is reported. The sentences are those of azure-cli's source, and of its HTTP client.
func TestFailuresAreToldApart(t *testing.T) {
	const resolve = "<urllib3.connection.HTTPSConnection object at 0x7f>: Failed to resolve "
	for says, want := range map[string]string{
		"Please run 'az login' to setup account.":                                  "az is not signed in",
		"AADSTS700082: The refresh token has expired due to inactivity.":           "az is not signed in",
		"Authentication failure. This may be caused by either invalid account key": "az is not signed in",
		"The request may be blocked by network rules of storage account. Please check network rule " +
			"set using\nupdate": "the firewall of the storage account archive1 does not admit this machine: " +
			"with a private network",
		"The specified container does not exist.\nErrorCode:ContainerNotFound": "account archive1 has no " +
			"container commands: correct ARCHIVE_ACCOUNT",
		resolve + "'archive1.blob.core.windows.net' ([Errno -2] Name or service not known)": "DNS does not know the " +
			"storage account archive1: correct ARCHIVE_ACCOUNT",
		resolve + "'login.microsoftonline.com' ([Errno -2] Name or service not known)": "does not reach " +
			"the sign-in of Azure",
		"Connection timed out": "does not reach the storage account archive1: check its network " +
			"and proxy",
		"first line\n\nThe server is \x1b[1mbusy.\n\n": "command: the command was not written; az says: [1mbusy.\n",
	} {
		d := newDesk(t)
		r := d.run([]string{"FAKE_SAYS=" + says}, "command", "run")
		if r.exit() != 1 || !strings.Contains(r.out, want) || strings.Contains(r.out, "line ") ||
			strings.Contains(r.out, "the role") {
			t.Errorf("az says %q: exit code %d, not %q:\n%s", says, r.exit(), want, r.out)
		}
		if strings.Count(r.out, "\n") != 1 || !strings.HasPrefix(r.out, "command: the command was not written") {
			t.Errorf("az says %q: not one sentence:\n%s", says, r.out)
		}
	}
}

// A command whose upload was carried out, although az failed, is waited for.
func TestLostAnswerToTheUpload(t *testing.T) {
	d := newDesk(t)
	r := d.run(append(d.answers(map[string][]string{"status": {done}}), "FAKE_LOST=1"), "command", "run")
	r.good(t)
	if len(d.blobs("commands")) != 1 || len(r.with("storage blob upload")) != 1 {
		t.Errorf("written: %v", d.blobs("commands"))
	}
}

func TestAnswer(t *testing.T) {
	d := newDesk(t)
	env := d.answers(map[string][]string{"status": {"", ""}})
	r := d.run(env, "command", "run")
	name := regexp.MustCompile(`fetch/` + commandName).FindString(r.out)
	if r.exit() != 3 || name == "" {
		t.Fatalf("exit code %d: %s", r.exit(), r.out)
	}
	for _, asked := range []string{name, strings.TrimPrefix(name, "fetch/")} {
		r := d.run(env, "command", "answer", asked)
		if r.exit() != 3 || !strings.Contains(r.out, "within five minutes") {
			t.Errorf("before it was taken up: exit code %d, %s", r.exit(), r.out)
		}
		r = d.run(d.answers(map[string][]string{"status": {done}}), "command", "answer", asked)
		if r.exit() != 0 || r.out != "done: everything is fetched\n" {
			t.Errorf("exit code %d, %s", r.exit(), r.out)
		}
		answered := filepath.Join(d.store, "status", "answers", strings.TrimPrefix(name, "fetch/")+".json")
		if err := os.Remove(answered); err != nil {
			t.Fatal(err)
		}
	}
	d.run(env, "command", "answer", "import/20261129T131500Z-00000001").bad(t, "there is no command import/2026")
}
