package appbuild

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const toy = "./local/host/testdata/toy" // a handler that builds fast

// What is deployed, but for the handler's code: tree and zip as the host wants them.
func TestBuild(t *testing.T) {
	out := t.TempDir()
	apps := Apps()
	for i := range apps {
		apps[i].Package = toy
	}
	// Something stale from an earlier build must not stay.
	stale := filepath.Join(out, "fetch", "old", "function.json")
	if err := os.MkdirAll(filepath.Dir(stale), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(stale, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), Options{Root: "../..", Out: out}, apps...); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if diff := cmp.Diff([]string{"SHA256SUMS", "fetch", "fetch.cdx.json", "fetch.zip", "import", "import.cdx.json",
		"import.zip"}, names); diff != "" {
		t.Errorf("build folder, -want +got:\n%s", diff)
	}
	want := map[string][]string{
		"fetch": {"command/function.json -rw-r--r--", "fetch/function.json -rw-r--r--", "handler -rwxr-xr-x",
			"host.json -rw-r--r--"},
		"import": {"handler -rwxr-xr-x", "host.json -rw-r--r--", "import/function.json -rw-r--r--",
			"sweep/function.json -rw-r--r--"},
	}
	first := map[string][]byte{}
	for app, files := range want {
		archive := filepath.Join(out, app+".zip")
		if diff := cmp.Diff(files, zipped(t, archive, filepath.Join(out, app))); diff != "" {
			t.Errorf("%s.zip, -want +got:\n%s", app, diff)
		}
		if err := Check(filepath.Join(out, app)); err != nil {
			t.Errorf("%s: %v", app, err)
		}
		raw, err := os.ReadFile(archive)
		if err != nil {
			t.Fatal(err)
		}
		first[app] = raw
	}
	// The same sources give the same bytes, wherever they are built.
	again := t.TempDir()
	if err := Build(t.Context(), Options{Root: "../..", Out: again}, apps[0]); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(again, "fetch.zip"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(raw, first["fetch"]) {
		t.Error("a second build gives another zip")
	}
	if diff := cmp.Diff(read(t, filepath.Join(out, "fetch.cdx.json")),
		read(t, filepath.Join(again, "fetch.cdx.json"))); diff != "" {
		t.Errorf("a second build gives another bill of materials:\n%s", diff)
	}
	// A build that fails leaves the former one.
	broken := apps[0]
	broken.Package = "./local/absent"
	if err := Build(t.Context(), Options{Root: "../..", Out: again}, broken); err == nil {
		t.Error("a handler that is not there builds")
	}
	if err := Check(filepath.Join(again, "fetch")); err != nil {
		t.Errorf("after a failed build: %v", err)
	}
}

// TestLocalBuild: there are only the folders, and what an earlier build has left, be it no program, is not taken for
// the handler.
func TestLocalBuild(t *testing.T) {
	out := t.TempDir()
	app := Apps()[0]
	app.Package = toy
	o := Options{Root: "../..", Out: out, Local: true}
	build := func() []byte {
		t.Helper()
		if err := Build(t.Context(), o, app); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(out, app.Name, handler))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	first := build()
	folder, err := os.Stat(filepath.Join(out, app.Name))
	if err != nil {
		t.Fatal(err)
	}
	if again := build(); !bytes.Equal(again, first) {
		t.Error("a second build gives another handler")
	}
	if same, err := os.Stat(filepath.Join(out, app.Name)); err != nil || !os.SameFile(same, folder) {
		t.Errorf("a build of the same sources replaces the folder, which a host may be reading: %v", err)
	}
	if entries, err := os.ReadDir(out); err != nil || len(entries) != 3 || entries[0].Name() != lockName ||
		entries[1].Name() != app.Name || entries[2].Name() != app.Name+noteSuffix {
		t.Errorf("the folder holds %v: %v", entries, err)
	}
	for name, left := range map[string][]byte{"text": []byte("#!/bin/sh\n"), "half a program": first[:len(first)/2],
		"nothing": nil} {
		if err := os.WriteFile(filepath.Join(out, app.Name, handler), left, 0o755); err != nil {
			t.Fatal(err)
		}
		if got := build(); !bytes.Equal(got, first) {
			t.Errorf("after %s the handler is another one: %d bytes, want %d", name, len(got), len(first))
		}
	}
}

// zipped lists a zip's files with their modes and compares them with the folder that is started locally.
func zipped(t *testing.T, archive, tree string) []string {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var files []string
	for _, f := range z.File {
		files = append(files, f.Name+" "+f.Mode().String())
		if !f.Modified.Equal(time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: time %v", f.Name, f.Modified)
		}
		name := filepath.Join(tree, filepath.FromSlash(f.Name))
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != f.Mode() || info.Size() != int64(f.UncompressedSize64) {
			t.Errorf("%s: the folder has mode %v, %d bytes; the zip %v, %d", f.Name, info.Mode(), info.Size(), f.Mode(),
				f.UncompressedSize64)
		}
	}
	return files
}

// Every trigger belongs to exactly one app, and every app's to a handler of the same name.
func TestApps(t *testing.T) {
	found, err := filepath.Glob("../../functions/*")
	if err != nil {
		t.Fatal(err)
	}
	var have, want []string
	for _, name := range found {
		have = append(have, filepath.Base(name))
	}
	for _, app := range All() {
		want = append(want, app.Functions...)
		if app.Package != "./handlers/"+app.Name || !slices.Contains(app.Functions, app.Name) {
			t.Errorf("app %s: its handler or function has another name", app.Name)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("functions of the apps and in functions/, -apps +folder:\n%s", diff)
	}
}

// Each rule of Check, by breaking it.
func TestCheck(t *testing.T) {
	timer, page := read(t, "../../functions/sweep/function.json"), read(t, "../../functions/portal/function.json")
	tests := []struct {
		file, old, with string
		want            string // "" is fine
	}{
		{"host.json", "", "", ""},
		{"host.json", `"2.0"`, `"1.0"`, "version"},
		{"host.json", `"[4.*, 5.0.0)"`, `"[3.*, 4.0.0)"`, "bundle"},
		{"host.json", `"handler"`, `"bin/handler"`, "handler"},
		{"host.json", `"enableProxyingHttpRequest": true`, `"enableProxyingHttpRequest": false`, "not proxied"},
		{"host.json", `"enableProxyingHttpRequest": true`, `"enableForwardingHttpRequest": true`, "not proxied"},
		{"host.json", `"enableProxyingHttpRequest": true`,
			`"enableProxyingHttpRequest": true, "enableForwardingHttpRequest": true`, "not proxied"},
		{"host.json", `"enableProxyingHttpRequest": true`,
			`"enableProxyingHttpRequest": true, "http": {"routes": [{"route": "{*path}"}]}`, "refuses routes"},
		{"host.json", `"routePrefix": ""`, `"routePrefix": "api"`, "routePrefix"},
		{"host.json", `"routePrefix": ""`, ``, "routePrefix"},
		{"host.json", `{`, `[`, "host.json"},
		{"import/function.json", `"EventGrid"`, `"LogsAndContainerScan"`, "EventGrid"},
		{"import/function.json", `true`, `false`, "deferred"},
		{"import/function.json", `"ARCHIVE_STORAGE"`, `""`, "connection"},
		{"import/function.json", `"blobTrigger"`, `"queueTrigger"`, "queueTrigger"},
		{"import/function.json", `"in"`, `"out"`, "direction"},
		{"import/function.json", `"bindings": [`, `"retry": {"strategy":"fixedDelay"}, "bindings": [`, "retry"},
		{"import/function.json", `"bindings"`, `"binding"`, "0 bindings"},
		{"sweep/function.json", timer, page, "other functions"},
		{"sweep/function.json", `"0 */10 * * * *"`, `""`, "schedule"},
		{"handler", "x", "y", "executable"},
		{"portal/function.json", "", "", ""},
		{"portal/function.json", `"anonymous"`, `"function"`, "authLevel"},
		{"portal/function.json", `"authLevel": "anonymous",`, ``, "authLevel"},
		{"portal/function.json", `"{*path}"`, `"pages/{*path}"`, "route"},
		{"portal/function.json", `"route": "{*path}",`, ``, "route"},
		{"portal/function.json", `"post"`, `"post", "put"`, "methods"},
		{"portal/function.json", `"methods"`, `"method"`, "methods"},
		{"portal/function.json", `"bindings": [`, `"retry": {"strategy":"fixedDelay"}, "bindings": [`, "retry"},
		{"portal/function.json", `"out"`, `"in"`, "2 bindings"},
		{"portal/function.json", page[strings.Index(page, "},"):], "}]}", "answers nothing"},
	}
	for _, test := range tests {
		dir, app := t.TempDir(), Apps()[1]
		if strings.HasPrefix(test.file, "portal/") {
			app = Portal()
		}
		if err := layOut("../..", app, dir); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(filepath.Join(dir, handler), []byte("x"), modeHandler); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, test.file)
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(raw), test.old, test.with, 1)
		if changed == string(raw) && test.want != "" {
			t.Fatalf("%s has no %s", test.file, test.old)
		}
		if err := writeFile(name, []byte(changed), modeFile); err != nil {
			t.Fatal(err)
		}
		if test.file != handler {
			if err := os.Chmod(filepath.Join(dir, handler), modeHandler); err != nil {
				t.Fatal(err)
			}
		}
		err = Check(dir)
		switch {
		case test.want == "" && err != nil:
			t.Error(err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s with %s: %v, want something about %s", test.file, test.with, err, test.want)
		}
	}
	if err := Check(t.TempDir()); err == nil {
		t.Error("an empty folder is fine")
	}
}

// What the deployed schedule and retry are: a change here is a change of the product.
func TestTriggers(t *testing.T) {
	var got []string
	for _, name := range []string{"fetch", "command", "import", "sweep", "portal"} {
		var f Function
		if err := readJSON(filepath.Join("../../functions", name, "function.json"), &f); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(f.Retry)
		if err != nil {
			t.Fatal(err)
		}
		b := f.Trigger()
		got = append(got, strings.Join([]string{name, b.Type, b.Name, b.Schedule + b.Path + b.Route, b.Connection,
			string(raw)}, " "))
	}
	want := []string{
		`fetch timerTrigger timer %FETCH_SCHEDULE%  {"strategy":"fixedDelay","maxRetryCount":3,` +
			`"delayInterval":"00:01:00"}`,
		`command timerTrigger timer 0 */5 * * * *  null`,
		`import blobTrigger batch batches/{name}.ndjson ARCHIVE_STORAGE null`,
		`sweep timerTrigger timer 0 */10 * * * *  null`,
		`portal httpTrigger request {*path}  null`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
