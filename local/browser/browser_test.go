package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const page = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>A page</title>
<link rel="icon" href="/icon.svg"></head><body><main><h1>A page</h1>%s</main></body></html>`

// serve serves pages under a strict policy.
func serve(t *testing.T, bodies map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if r.Method == http.MethodPost {
			file, _, err := r.FormFile("file")
			if err == nil {
				defer file.Close()
				raw := make([]byte, 100)
				n, _ := file.Read(raw)
				body, ok = "<p>"+r.FormValue("name")+" sent "+string(raw[:n])+"</p>", true
			}
		}
		w.Header().Set("Content-Security-Policy",
			"default-src 'none'; img-src 'self'; form-action 'self'; require-trusted-types-for 'script'")
		switch {
		case r.URL.Path == "/icon.svg":
			w.Header().Set("Content-Type", "image/svg+xml")
			fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg"/>`)
			return
		case !ok:
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, page, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestWhatABrowserReports: breaches of the policy, scripts that fail and answers with an error's status are problems; a
// page that is in order has none.
func TestWhatABrowserReports(t *testing.T) {
	t.Parallel()
	b := ForTest(t)
	at := serve(t, map[string]string{
		"/good":   `<p>text</p>`,
		"/inline": `<script>document.title = "x"</script>`,
		"/style":  `<p style="color: red">text</p>`,
		"/image":  `<img src="https://other.example/x.png" alt="x">`,
	})
	p, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	look := func(path string) string {
		t.Helper()
		if err := p.Go(at + path); err != nil {
			t.Fatal(err)
		}
		return strings.Join(p.Problems(), "\n")
	}
	for path, want := range map[string]string{"/inline": "Content Security Policy", "/style": "Content Security Policy",
		"/image": "Content Security Policy", "/absent": "status of 422"} {
		if got := look(path); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := look("/good"); got != "" {
		t.Errorf("a page in order: %q", got)
	}
	p.Allow(http.StatusUnprocessableEntity)
	if got := look("/absent"); got != "" {
		t.Errorf("a status that is allowed: %q", got)
	}
	if _, err := Eval[int](p, "setTimeout(() => { throw new Error('late') }), console.error('said'), 0"); err != nil {
		t.Fatal(err)
	}
	all := ""
	for end := time.Now().Add(stepTime); time.Now().Before(end) && !strings.Contains(all, "late"); {
		all += strings.Join(p.Problems(), "\n")
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(all, "Error: late") || !strings.Contains(all, "said") {
		t.Errorf("an error of a script, and one that it reported: %q", all)
	}
}

// TestAccessAndForms: what is wrong for a screen reader, or too wide, is found; a form can be filled in, with a file.
func TestAccessAndForms(t *testing.T) {
	t.Parallel()
	b := ForTest(t)
	axe, err := ReadAxe(t.Context(), "../..")
	if err != nil {
		t.Fatal(err)
	}
	const form = `<form method="post" enctype="multipart/form-data"><label>Name <input name="name"></label>
		<label>File <input type="file" name="file"></label><button>Send</button></form>`
	at := serve(t, map[string]string{"/form": form, "/bare": `<input name="x">`, "/wide": strings.Repeat("x", 500)})
	p := b.OpenForTest(t)
	for path, want := range map[string]string{"/form": "", "/bare": "label", "/wide": "wider"} {
		if err := p.Show(Narrow, true); err != nil {
			t.Fatal(err)
		}
		if err := p.Go(at + path); err != nil {
			t.Fatal(err)
		}
		found, err := p.CheckAccess(axe)
		if got := strings.Join(found, "\n"); err != nil || (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	file := filepath.Join(t.TempDir(), "file.csv")
	if err := os.WriteFile(file, []byte("a,b"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return p.Go(at + "/form") },
		func() error { return p.Fill("input[name=name]", "Jane") },
		func() error { return p.Upload("input[name=file]", file) },
		func() error { return p.Click("button") },
		func() error { return p.Await("Jane sent a,b") },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	dark, err := Eval[bool](p, "matchMedia('(prefers-color-scheme: dark)').matches && innerWidth === 375")
	if err != nil || !dark {
		t.Errorf("the viewport is not narrow and dark: %v", err)
	}
	if shot, err := p.Screenshot(); err != nil || !strings.HasPrefix(string(shot), "\x89PNG") {
		t.Errorf("the screenshot: %d bytes, %v", len(shot), err)
	}
}
