package infra

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var scripts = []string{"hooks/preprovision.sh", "hooks/prepackage.sh", "hooks/postprovision.sh", "hooks/postdeploy.sh", "password", "lock", "export",
	"graph/app-roles", "checks/az-flags", "environment.sh", "../.ci/run"}

func TestScriptsPassShellcheck(t *testing.T) {
	shellcheck := need(t, "shellcheck")
	if said, err := exec.Command(shellcheck, append([]string{"--external-sources"}, scripts...)...).CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, said)
	}
	for _, name := range scripts {
		if name == "environment.sh" {
			continue
		}
		if info, err := os.Stat(name); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable: %v", name, err)
		}
		if !strings.Contains(read(t, name), "set -euo pipefail") {
			t.Errorf("%s goes on after an error", name)
		}
	}
	hooks, err := filepath.Glob("hooks/*")
	if err != nil {
		t.Fatal(err)
	}
	azure := read(t, "../azure.yaml")
	for _, hook := range hooks {
		if !slices.Contains(scripts, hook) || !strings.Contains(azure, "infra/"+filepath.ToSlash(hook)) {
			t.Errorf("%s is not checked, or not called by azure.yaml", hook)
		}
	}
}

// ran is what a script did.
type ran struct {
	calls []call
	out   string
	err   error
}

// script runs one of the scripts with the stand-in for az in place of the real one.
func script(t *testing.T, input string, env []string, name string, args ...string) ran {
	t.Helper()
	need(t, "bash")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, tool := range []string{"az", "azd"} {
		if err := os.Symlink(self, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("./"+name, args...)
	cmd.Env = append(os.Environ(), fakeDir+"="+dir, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"), "ARCHIVER_NAP=0",
		"AZURE_SUBSCRIPTION_ID=s1", "AZURE_RESOURCE_GROUP=rg1", "ARCHIVE_ACCOUNT=archive1", "EVENT_TOPIC=topic1", "FETCH_APP=fetch1",
		"FETCH_VAULT=kv1", "FETCH_SECRET=secret1", "IMPORT_APP=import1", "IMPORT_HOST=import1.host.example", "IMPORT_PRINCIPAL_ID=p1")
	cmd.Env = append(cmd.Env, env...)
	cmd.Stdin = strings.NewReader(input)
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

// with gives the calls whose arguments hold all the words.
func (r ran) with(words ...string) (found []call) {
	for _, c := range r.calls {
		line := strings.Join(c.Args, " ")
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			found = append(found, c)
		}
	}
	return found
}

func TestPreprovision(t *testing.T) {
	r := script(t, "", nil, "hooks/preprovision.sh")
	r.good(t)
	if len(r.with("provider register")) != 0 {
		t.Error("a provider is registered that is not needed")
	}
	r = script(t, "", []string{"PRIVATE_NETWORK=true"}, "hooks/preprovision.sh")
	r.good(t)
	if len(r.with("provider register", "Microsoft.App")) != 1 {
		t.Error("Microsoft.App is not registered")
	}
	script(t, "", []string{"FAKE_SIGNED_OUT=1"}, "hooks/preprovision.sh").bad(t, "az login")
}

func TestPassword(t *testing.T) {
	const password = `p"a\s$s 'w'rd` + "`" + `€`
	for _, name := range []string{"hooks/postprovision.sh", "password"} {
		r := script(t, password+"\n", nil, name)
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
		if told := len(r.with("configreferences")); (name == "password") != (told == 1) {
			t.Errorf("%s: the app was told %d times", name, told)
		}
	}
	r := script(t, "", []string{"FAKE_HAS_SECRET=1"}, "hooks/postprovision.sh")
	r.good(t)
	if len(r.with("--method put")) != 0 {
		t.Error("a password that is there was written over")
	}
	script(t, "", nil, "password").bad(t, "no password")
	script(t, "a\tb\n", nil, "password").bad(t, "control character")
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
			DeadLetterWithResourceIdentity struct {
				DeadLetterDestination struct {
					Properties struct{ ResourceID, BlobContainerName string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(puts[2].Input), &body); err != nil {
		t.Fatal(err)
	}
	p := body.Properties
	if want := "https://import1.host.example/runtime/webhooks/blobs?functionName=Host.Functions.import&code=k%2Fe%2By%3D%3D"; p.Destination.Properties.EndpointURL != want {
		t.Errorf("events go to %s, want %s", p.Destination.Properties.EndpointURL, want)
	}
	// The very path that the trigger has.
	if !strings.Contains(read(t, "../functions/import/function.json"), `"path": "batches/{name}.ndjson"`) ||
		p.Filter.SubjectBeginsWith != "/blobServices/default/containers/batches/" || p.Filter.SubjectEndsWith != ".ndjson" {
		t.Errorf("the filter %+v is not the trigger's path", p.Filter)
	}
	dead := p.DeadLetterWithResourceIdentity.DeadLetterDestination.Properties
	if dead.BlobContainerName != "deadletters" || !strings.HasSuffix(dead.ResourceID, "/storageAccounts/archive1") {
		t.Errorf("dead letters go to %+v", dead)
	}
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
	if len(r.with("immutability-policy lock")) != 3 || len(r.with("env set IMMUTABILITY_LOCKED true")) != 1 {
		t.Errorf("calls: %v", r.calls)
	}
	r = script(t, "yes\n", nil, "lock")
	r.bad(t, "nothing was locked")
	if len(r.with("immutability-policy lock")) != 0 {
		t.Error("locked without a yes")
	}
}

func TestExport(t *testing.T) {
	to := t.TempDir()
	script(t, "", nil, "export", to).good(t)
	sums := read(t, filepath.Join(to, "SHA256SUMS"))
	for container, of := range blobs {
		for name := range of {
			if !strings.Contains(sums, "  "+container+"/"+name+"\n") {
				t.Errorf("SHA256SUMS lacks %s/%s", container, name)
			}
		}
	}
	script(t, "", []string{"FAKE_MORE_BLOBS=1"}, "export", t.TempDir()).bad(t, "blobs are stored and")
	script(t, "", []string{"FAKE_CHANGED=1"}, "export", t.TempDir()).bad(t, "not what its name says")
}

func TestAppRoles(t *testing.T) {
	r := script(t, "", nil, "graph/app-roles", "grant", "User.Read.All")
	r.good(t)
	if posts := r.with("--method post", "https://graph.microsoft.us/v1.0/", `"appRoleId":"id-of-User.Read.All"`, `"resourceId":"graph-id"`); len(posts) != 1 {
		t.Errorf("calls: %v", r.calls)
	}
	r = script(t, "", nil, "graph/app-roles", "show")
	r.good(t)
	if !strings.Contains(r.out, "Mail.ReadWrite: not granted") {
		t.Error(r.out)
	}
	script(t, "", nil, "graph/app-roles", "revoke", "Mail.ReadWrite").good(t)
	script(t, "", nil, "graph/app-roles", "grant", "Directory.ReadWrite.All").bad(t, "User.Read.All or Mail.ReadWrite")
}

// checks/az-commands, which is held against the real az, names exactly what the stand-in takes; and nothing else is called, be it by
// a script or by the runbook.
func TestCommands(t *testing.T) {
	var list []string
	for command, flags := range commands {
		list = append(list, command+" "+strings.Join(flags, " "))
	}
	for _, line := range runbookCommands(t) {
		if !slices.Contains(list, line) {
			list = append(list, line)
		}
	}
	slices.Sort(list)
	if want := strings.Join(list, "\n") + "\n"; read(t, "checks/az-commands") != want {
		t.Errorf("checks/az-commands is not what is used. It should be:\n%s", want)
	}
	called := regexp.MustCompile(`(?m)(?:^|[|(;&!]|if|then) *az ([a-z][a-z-]*(?: [a-z][a-z-]*)*) (?:--|"\$|\\)`)
	for _, name := range scripts {
		if strings.HasPrefix(name, "checks") || strings.HasPrefix(name, "..") {
			continue
		}
		for _, m := range called.FindAllStringSubmatch(read(t, name), -1) {
			if _, ok := commands[m[1]]; !ok {
				t.Errorf("%s calls az %s, which the stand-in does not know (%v)", name, m[1], slices.Sorted(maps.Keys(commands)))
			}
		}
	}
}

// runbookCommands are the az commands of the Markdown files, without their values.
func runbookCommands(t *testing.T) (all []string) {
	t.Helper()
	for _, name := range []string{"README.md", "graph/README.md"} {
		text := strings.ReplaceAll(read(t, name), "\\\n", " ")
		for _, m := range regexp.MustCompile(`(?m)^ {4,}az (.*)$`).FindAllStringSubmatch(text, -1) {
			words := strings.Fields(m[1])
			i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, "-") })
			if i < 0 {
				i = len(words)
			}
			command := strings.Join(words[:i], " ")
			for _, w := range words[i:] {
				if strings.HasPrefix(w, "--") {
					command += " " + w
				}
			}
			all = append(all, command)
		}
	}
	return all
}
