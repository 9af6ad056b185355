package infra

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ran is what a script did.
type ran struct {
	calls []call
	out   string
	err   error
}

// script runs one of the scripts with the stand-in for az in place of the real one.
func script(t *testing.T, input string, env []string, name string, args ...string) ran {
	t.Helper()
	cmd := exec.Command("./"+name, args...)
	cmd.Stdin = strings.NewReader(input)
	return runScript(t, cmd, env)
}

// withoutTerminal runs one of the hooks as `azd up --no-prompt` does: with standard input closed.
func withoutTerminal(t *testing.T, env []string, name string) ran {
	t.Helper()
	return runScript(t, exec.Command("bash", "-c", `exec "$0" <&-`, "./"+name), env)
}

// plain is this test binary without the race detector, with which it takes a tenth of a second to start: the scripts
// start it a thousand times. It is built on first use.
var plain struct {
	once sync.Once
	path string
	err  error
}

// standIn returns the program that stands for az and azd.
func standIn(t *testing.T) string {
	t.Helper()
	plain.once.Do(func() {
		if plain.path, plain.err = os.Executable(); plain.err != nil || !raceDetector {
			return
		}
		plain.path = filepath.Join(filepath.Dir(plain.path), "plain.test")
		build := exec.Command("go", "test", "-c", "-vet=off", "-o", plain.path, ".")
		var out []byte
		if out, plain.err = build.CombinedOutput(); plain.err != nil {
			plain.err = fmt.Errorf("build the stand-in for az: %w\n%s", plain.err, out)
		}
	})
	if plain.err != nil {
		t.Fatal(plain.err)
	}
	return plain.path
}

func runScript(t *testing.T, cmd *exec.Cmd, env []string) ran {
	t.Helper()
	need(t, "bash")
	self := standIn(t)
	dir := t.TempDir()
	for _, tool := range []string{"az", "azd"} {
		if err := os.Symlink(self, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	cmd.Env = append(os.Environ(), fakeDir+"="+dir, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"),
		"ARCHIVER_NAP=0",
		"AZURE_SUBSCRIPTION_ID=s1", "AZURE_RESOURCE_GROUP=rg1", "ARCHIVE_ACCOUNT=archive1", "EVENT_TOPIC=topic1",
		"FETCH_APP=fetch1",
		"FETCH_VAULT=kv1", "FETCH_SECRET=secret1", "IMPORT_APP=import1", "IMPORT_HOST=import1.host.example",
		"IMPORT_PRINCIPAL_ID=p1", "PORTAL_APP=", "PORTAL_CLIENT_ID=")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	r := ran{out: string(out), err: err}
	raw, _ := os.ReadFile(filepath.Join(dir, "calls")) // none is none
	for line := range bytes.Lines(raw) {
		var c call
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		r.calls = append(r.calls, c)
	}
	return r
}

// good complains if the script failed.
func (r ran) good(t *testing.T) {
	t.Helper()
	if r.err != nil {
		t.Fatalf("%v\n%s", r.err, r.out)
	}
}

func (r ran) bad(t *testing.T, says string) {
	t.Helper()
	if r.err == nil || !strings.Contains(r.out, says) {
		t.Errorf("%v, %q: want a failure about %q", r.err, r.out, says)
	}
}

// with returns the calls whose arguments hold all the words.
func (r ran) with(words ...string) (found []call) {
	for _, c := range r.calls {
		line := strings.Join(c.Args, " ")
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, c)
		}
	}
	return found
}

func TestPassword(t *testing.T) {
	const password = `p"a\s$s 'w'rd` + "`" + `€`
	for _, name := range []string{"hooks/postprovision.sh", "password"} {
		// The hook gets it from azd, which resolves a secret; the script reads it.
		give := map[string][]string{"hooks/postprovision.sh": {"TELEMESSAGE_PASSWORD=" + password}}[name]
		r := script(t, password+"\n", give, name)
		r.good(t)
		puts := r.with("--method put", "/vaults/kv1/secrets/secret1")
		if len(puts) != 1 {
			t.Fatalf("%s: %d secrets were written", name, len(puts))
		}
		var body struct{ Properties struct{ Value string } }
		if err := json.Unmarshal([]byte(puts[0].Input), &body); err != nil || body.Properties.Value != password {
			t.Errorf("%s wrote %q: %v", name, body.Properties.Value, err)
		}
		for _, c := range r.calls {
			if strings.Contains(strings.Join(c.Args, " "), `p"a`) {
				t.Errorf("%s: the password is an argument", name)
			}
		}
		if strings.Contains(r.out, `p"a`) {
			t.Errorf("%s shows the password", name)
		}
		// The app reads the vault by itself.
		if told := len(r.with("/sites/")); told != 0 || !strings.Contains(r.out, "the next run of fetch reads it") {
			t.Errorf("%s: the app was told %d times, and it says\n%s", name, told, r.out)
		}
	}
	r := script(t, "", []string{"FAKE_HAS_SECRET=1"}, "hooks/postprovision.sh")
	r.good(t)
	if len(r.with("--method put")) != 0 {
		t.Error("a password that is there was written over")
	}
	r = script(t, "other\n", []string{"FAKE_VAULT_AWAY=1"}, "hooks/postprovision.sh")
	r.bad(t, "does not say whether")
	if len(r.with("--method put")) != 0 {
		t.Error("a vault that can't be asked was taken for an empty one")
	}
	for recover, sets := range map[string]int{"true": 1, "false": 0} {
		r = script(t, "", []string{"FAKE_HAS_SECRET=1", "RECOVER_VAULT=" + recover}, "hooks/postprovision.sh")
		r.good(t)
		if n := len(r.with("env set RECOVER_VAULT false")); n != sets {
			t.Errorf("RECOVER_VAULT=%s is set back %d times", recover, n)
		}
	}
	// A password is not typed in vain: the sign-in is tried first.
	r = script(t, "secret\n", []string{"FAKE_VAULT_AWAY=1"}, "password")
	r.bad(t, "and none was asked for")
	if len(r.with("--method put")) != 0 || len(r.calls) != 1 {
		t.Errorf("without a sign-in: %v", r.calls)
	}
	script(t, "", []string{"FAKE_VAULT_READ_ONLY=1"}, "password", "typo").bad(t, "neither if-missing nor help")
	script(t, "secret\n", []string{"FAKE_VAULT_READ_ONLY=1"}, "password").bad(t,
		"was not written: az's answer is above")
	script(t, "", nil, "password").bad(t, "no password")
	script(t, "a\tb\n", nil, "password").bad(t, "control character")
}

// Outside of a hook the values come from azd. One that is not there yet hinders only those who need it.
func TestEnvironment(t *testing.T) {
	var unset, azd []string
	for name, value := range map[string]string{"AZURE_SUBSCRIPTION_ID": "s1", "AZURE_RESOURCE_GROUP": "rg1",
		"FETCH_VAULT": "kv1", "FETCH_SECRET": "secret1"} {
		unset, azd = append(unset, name+"="), append(azd, "FAKE_AZD_"+name+"="+value)
	}
	r := script(t, "secret\n", slices.Concat(unset, azd), "password")
	r.good(t)
	if len(r.with("--method put", "/subscriptions/s1/resourceGroups/rg1/", "/vaults/kv1/secrets/secret1")) != 1 {
		t.Errorf("calls: %v", r.calls)
	}
	asked := regexp.MustCompile(`(?m)^    for name in (.*); do$`).FindStringSubmatch(read(t, "environment.sh"))
	if asked == nil || len(r.with("env get-value")) != len(strings.Fields(asked[1])) {
		t.Errorf("azd is asked %d times for the values %v", len(r.with("env get-value")), asked)
	}
	// In a hook they are there already, and azd is not asked.
	r = script(t, "secret\n", azd, "password")
	r.good(t)
	if len(r.with("env get-value")) != 0 {
		t.Errorf("calls: %v", r.calls)
	}
	script(t, "secret\n", unset, "password").bad(t, "password: not set: AZURE_SUBSCRIPTION_ID, "+
		"AZURE_RESOURCE_GROUP, FETCH_VAULT, FETCH_SECRET; run azd env select or azd env refresh, "+
		"or, without azd, export")
	gone := append(slices.DeleteFunc(slices.Clone(azd),
		func(v string) bool { return strings.Contains(v, "_FETCH_VAULT=") }), unset...)
	r = script(t, "secret\n", gone, "password")
	r.bad(t, "password: not set: FETCH_VAULT; run")
	if len(r.with("rest")) != 0 {
		t.Error("something is written without a vault")
	}
}

func TestPostdeploy(t *testing.T) {
	// The app answers at the second try, has a key at the fourth; Event Grid takes it at the third.
	r := script(t, "", []string{"FAKE_KEY_AFTER=3", "FAKE_PUT_FAILS=2"}, "hooks/postdeploy.sh")
	r.good(t)
	puts := r.with("--method put", "eventSubscriptions/import")
	if len(puts) != 3 {
		t.Fatalf("%d tries to subscribe", len(puts))
	}
	var body struct {
		Properties struct {
			Destination struct {
				EndpointType string
				Properties   struct{ EndpointURL string }
			}
			Filter struct {
				IncludedEventTypes                 []string
				SubjectBeginsWith, SubjectEndsWith string
			}
			RetryPolicy                    struct{ MaxDeliveryAttempts, EventTimeToLiveInMinutes int }
			DeadLetterWithResourceIdentity struct {
				Identity              struct{ Type string }
				DeadLetterDestination struct {
					EndpointType string
					Properties   struct{ ResourceID, BlobContainerName string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(puts[2].Input), &body); err != nil {
		t.Fatal(err)
	}
	p := body.Properties
	if want := "https://import1.host.example/runtime/webhooks/blobs?functionName=Host.Functions.import&" +
		"code=k%2Fe%2By%3D%3D"; p.Destination.Properties.EndpointURL != want {
		t.Errorf("events go to %s, want %s", p.Destination.Properties.EndpointURL, want)
	}
	// The very path that the trigger has.
	if !strings.Contains(read(t, "../functions/import/function.json"), `"path": "batches/{name}.ndjson"`) ||
		p.Filter.SubjectBeginsWith != "/blobServices/default/containers/batches/" ||
		p.Filter.SubjectEndsWith != ".ndjson" {
		t.Errorf("the filter %+v is not the trigger's path", p.Filter)
	}
	dead := p.DeadLetterWithResourceIdentity
	if at := dead.DeadLetterDestination.Properties; at.BlobContainerName != "deadletters" ||
		!strings.HasSuffix(at.ResourceID, "/storageAccounts/archive1") {
		t.Errorf("dead letters go to %+v", at)
	}
	if dead.Identity.Type != "SystemAssigned" || dead.DeadLetterDestination.EndpointType != "StorageBlob" ||
		p.Destination.EndpointType != "WebHook" {
		t.Errorf("dead letters are written by %q into a %q", dead.Identity.Type,
			dead.DeadLetterDestination.EndpointType)
	}
	// A day: as long as the alert unfinished may take to be heard.
	if p.RetryPolicy.EventTimeToLiveInMinutes != 24*60 || p.RetryPolicy.MaxDeliveryAttempts != 30 {
		t.Errorf("events are tried %+v", p.RetryPolicy)
	}
	// A second run asks for the very same, and is content.
	again := script(t, "", nil, "hooks/postdeploy.sh")
	again.good(t)
	if second := again.with("--method put", "eventSubscriptions/import"); len(second) != 1 ||
		second[0].Input != puts[2].Input || !slices.Equal(second[0].Args, puts[2].Args) {
		t.Errorf("the second run asks for something else: %v", second)
	}
	script(t, "", []string{"FAKE_WHERE=https://other.example/runtime/webhooks/blobs"}, "hooks/postdeploy.sh").bad(t,
		"goes to https://other.example")
	for _, c := range r.calls {
		if strings.Contains(strings.Join(c.Args, " "), "k%2Fe") {
			t.Error("the key is an argument")
		}
	}
	if strings.Contains(r.out, "k%2Fe") {
		t.Error("the key is shown")
	}
	script(t, "", []string{"FAKE_KEY_AFTER=100"}, "hooks/postdeploy.sh").bad(t, "has no key")
	script(t, "", []string{"FAKE_PUT_FAILS=100"}, "hooks/postdeploy.sh").bad(t, "does not take the subscription")
	script(t, "", []string{"FAKE_STATE=Failed"}, "hooks/postdeploy.sh").bad(t, "is Failed")
}

func TestLock(t *testing.T) {
	r := script(t, "archive1\n", nil, "lock")
	r.good(t)
	if len(r.with("immutability-policy lock")) != 5 || len(r.with("env set IMMUTABILITY_LOCKED true")) != 1 {
		t.Errorf("calls: %v", r.calls)
	}
	// One that broke off is gone on with: what is locked already is left alone.
	r = script(t, "archive1\n", []string{"FAKE_LOCKED=batches media deliveries audit"}, "lock")
	r.good(t)
	if locks := r.with("immutability-policy lock"); len(locks) != 1 ||
		len(r.with("immutability-policy lock", "--container-name journal")) != 1 ||
		len(r.with("env set IMMUTABILITY_LOCKED true")) != 1 {
		t.Errorf("half of it was locked: %v", r.calls)
	}
	// Without azd the next deployment takes it from the parameters file.
	r = script(t, "archive1\n", []string{"ARCHIVER_PARAMETERS=/p/contoso.bicepparam"}, "lock")
	r.good(t)
	if len(r.with("env set")) != 0 ||
		!strings.Contains(r.out, "to /p/contoso.bicepparam, or the next deployment fails") {
		t.Errorf("without azd: %v\n%s", r.calls, r.out)
	}
	r = script(t, "archive1\n", []string{"FAKE_LOCK_FAILS=media"}, "lock")
	if r.err == nil || len(r.with("env set")) != 0 ||
		len(r.with("--container-name journal", "immutability-policy lock")) != 0 {
		t.Errorf("a lock that fails: %v, %v", r.err, r.calls)
	}
	r = script(t, "yes\n", nil, "lock")
	r.bad(t, "nothing was locked")
	if len(r.with("immutability-policy lock")) != 0 {
		t.Error("locked without a yes")
	}
}

func TestExport(t *testing.T) {
	for _, env := range []string{"", "FAKE_EMPTY_MARKER=1"} {
		to := filepath.Join(t.TempDir(), "out")
		r := script(t, "", []string{env}, "export", to)
		r.good(t)
		if want := "Proven: 2 attachments by their names, 1 batches by 1 manifests, 1 journals line by line.\n" +
			"1 batches belong to runs"; !strings.Contains(r.out, want) {
			t.Errorf("it says\n%s", r.out)
		}
		want := map[string]bool{"ledger/000001.json": true, "ledger/000002.json": true}
		for container, of := range blobs {
			for name := range of {
				want[container+"/"+name] = true
			}
		}
		got := map[string]bool{}
		for line := range strings.Lines(read(t, filepath.Join(to, "SHA256SUMS"))) {
			sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			got[name] = true
			if sum != sha(read(t, filepath.Join(to, name))) {
				t.Errorf("the checksum of %s is wrong", name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("SHA256SUMS, -want +got:\n%s", diff)
		}
		for page, name := range []string{"000001", "000002"} {
			if text := read(t, filepath.Join(to, "ledger", name+".json")); !strings.Contains(text,
				fmt.Sprintf(`"PartitionKey": "%d"`, page+1)) {
				t.Errorf("page %s of the ledger is %s", name, text)
			}
		}
		// Again, into the same folder: a broken export is gone on with, whatever state its files are in.
		half := filepath.Join(to, "media", sha("hello"))
		if err := os.WriteFile(half, []byte("hel"), 0o600); err != nil {
			t.Fatal(err)
		}
		script(t, "", []string{env}, "export", to).good(t)
		if got := read(t, half); got != "hello" {
			t.Errorf("half a file is left: %q", got)
		}
	}
	script(t, "", []string{"FAKE_MORE_BLOBS=1"}, "export", t.TempDir()).bad(t, "blobs are stored and")
	for changed, says := range map[string]string{
		"media":        "media/" + sha("hello") + " is not what its name says",
		"journal":      "00001.jsonl: the journal is not as it was written",
		"00001.ndjson": "batches/2026/11/23/run/00001.ndjson is missing",
		"batches":      "can't be read",
	} {
		to := t.TempDir()
		script(t, "", []string{"FAKE_CHANGED=" + changed}, "export", to).bad(t, says)
		if _, err := os.Stat(filepath.Join(to, "SHA256SUMS")); err == nil {
			t.Errorf("%s is changed, and there is a list all the same", changed)
		}
	}
}
