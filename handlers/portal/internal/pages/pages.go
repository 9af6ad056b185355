// Package pages turns what the portal shows into HTML: templates, one style sheet and one script, all embedded, without
// a build step. The pages work without the script.
package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"o2archiver/handlers/portal/internal/identity"
)

//go:embed templates/*.html
var templates embed.FS

//go:embed assets
var assets embed.FS

// Page is what a template is given.
type Page struct {
	Name    string // of the template, without its ending
	Title   string // of the window, and the page's heading
	Section string // the entry of the menu that is marked: one of those in layout.html
	Notice  string // one sentence about what was just done, "" if there is none
	Refused *Refusal
	Data    any

	// Set by package web.
	Person identity.Person
	Now    time.Time // zero in an answer that is asked for again and again
	FormID string    // for the hidden field of a form
}

// Refusal is why a form was refused. It is shown above the form with what was entered.
type Refusal struct{ Says, Do string }

// Admin reports whether the page is for an administrator, who sees whole numbers and addresses.
func (p Page) Admin() bool { return p.Person.Role == identity.Admin }

// Pages holds the templates and the files that they refer to. It is safe for concurrent use.
type Pages struct {
	byName map[string]func() (*template.Template, error) // each parses its template once
	files  map[string]asset                              // by name
}

type asset struct {
	content   []byte
	mediaType string
	tag       string // of the content, for its address and as its ETag
}

// Load returns the pages. A template is parsed when it is first needed: to parse all of them takes longer than
// everything else that a start of the portal does. The error is a mistake in an embedded file, as those of Render are.
func Load() (*Pages, error) {
	p := &Pages{byName: map[string]func() (*template.Template, error){}, files: map[string]asset{}}
	err := fs.WalkDir(assets, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		p.files[path.Base(name)] = asset{content, mediaTypeOf(name), hex.EncodeToString(sum[:8])}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the portal's files: %w", err)
	}
	names, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	shared := sync.OnceValues(p.parseShared)
	for _, name := range names {
		base := strings.TrimSuffix(path.Base(name), ".html")
		if base == "layout" || strings.HasPrefix(base, "_") {
			continue
		}
		p.byName[base] = sync.OnceValues(func() (*template.Template, error) { return parsePage(shared, name) })
	}
	return p, nil
}

// ParseAll is Load, and parses every template: for tests, which find a mistake in one of them by it.
func ParseAll() (*Pages, error) {
	p, err := Load()
	if err != nil {
		return nil, err
	}
	for _, parse := range p.byName {
		if _, err := parse(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// parseShared parses what all pages have in common.
func (p *Pages) parseShared() (*template.Template, error) {
	shared, err := template.New("").Funcs(templateFunctions()).Funcs(template.FuncMap{"asset": p.addressOf}).
		ParseFS(templates, "templates/layout.html", "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the portal's layout: %w", err)
	}
	return shared, nil
}

// parsePage parses the template of a page.
func parsePage(shared func() (*template.Template, error), name string) (*template.Template, error) {
	common, err := shared()
	if err != nil {
		return nil, err
	}
	page, err := common.Clone()
	if err == nil {
		page, err = page.ParseFS(templates, name)
	}
	if err != nil {
		return nil, fmt.Errorf("parse the portal's page %s: %w", path.Base(name), err)
	}
	return page, nil
}

// mediaTypeOf does not ask the machine's own table of types, which differs between machines.
func mediaTypeOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return mime.FormatMediaType("application/octet-stream", nil)
	}
}

// Render writes a page. It writes nothing if it returns an error.
func (p *Pages) Render(w io.Writer, page Page) error {
	parse := p.byName[page.Name]
	if parse == nil {
		return fmt.Errorf("there is no template %q", page.Name)
	}
	t, err := parse()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "layout.html", page); err != nil {
		return err
	}
	_, err = out.WriteTo(w)
	return err
}

// addressOf returns the address of a file. It changes with the content, so that a browser may keep the file.
func (p *Pages) addressOf(name string) (string, error) {
	a, ok := p.files[name]
	if !ok {
		return "", fmt.Errorf("there is no file %q", name)
	}
	return "/assets/" + name + "?" + a.tag, nil
}

// ServeAsset answers a request for a file by the last part of its path.
func (p *Pages) ServeAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.mediaType)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}
