package client

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

func text(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

// Wherever an address points, only the origin of the base URL is called.
func TestContentOrigin(t *testing.T) {
	t.Parallel()
	const gone, there, foreign = "gone", "there", "foreign"
	tests := map[string]string{
		"/media/1":                             there,
		"media/1":                              there,
		"/media/1#part":                        there,
		"https://site.example/media/1":         there,
		"HTTPS://SITE.example:443/media/1":     there,
		"/x/../media/1":                        there,
		" \t/media/1\r\n":                      there,
		"\ufeff/media/1\u00a0":                 there,
		"":                                     foreign,
		"http://site.example/media/1":          foreign,
		"https://site.example:444/media/1":     foreign,
		"https://evil.example/media/1":         foreign,
		"//evil.example/media/1":               foreign,
		"https://site.example.evil.example/":   foreign,
		"https://site.example@evil.example/":   foreign,
		"https://user:pw@site.example/media/1": foreign,
		"https://site.example./media/1":        foreign,
		"https:///media/1":                     foreign,
		"https:media/1":                        foreign,
		"file:///etc/passwd":                   foreign,
		"data:text/plain,x":                    foreign,
		"javascript:alert(1)":                  foreign,
		"http://169.254.169.254/metadata":      foreign,
		"/media/1\r\nHost: evil.example":       foreign,
		"/media/\x00":                          foreign,
		"\\\\evil.example\\media\\1 ":          gone,
		"/media/1\\@evil.example":              gone,
		"%zz":                                  gone,
		"09:30.jpg":                            gone,
		"https://site.example\\@evil.example/": foreign,
		"https://evil.example\\@site.example/": foreign,
		"https:\\\\site.example\\media":        foreign,
		"https://site.example%2f@evil.example": foreign,
		"/media/1\n/2":                         foreign,
		"/" + strings.Repeat("a", maxURL):      foreign,
	}
	for address, want := range tests {
		site := newSite(telemessagetest.Options{})
		site.AddContent("/media/1", 5, text("hello"))
		c, d := dial(t, site, 1)
		body, size, err := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: address})
		if want != there {
			calls := map[string]int{gone: 1}[want]
			if !errors.Is(err, ErrGone) || d.hosts["site.example"] != calls || len(d.hosts) != calls {
				t.Errorf("%.40q: error %v, called %v", address, err, d.hosts)
			}
			if err != nil && strings.Contains(err.Error(), "example") {
				t.Errorf("%.40q: the error tells too much: %v", address, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		data, err := io.ReadAll(body)
		if string(data) != "hello" || size != 5 || err != nil || body.Close() != nil || d.hosts["site.example"] != 1 {
			t.Errorf("%q: %q, size %d, error %v, called %v", address, data, size, err, d.hosts)
		}
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"/a?b#c", "//evil.example", "https://site.example:443/%2f..", "\\\\evil.example",
		"https://site.example\\@evil.example", "?x", "..;/"} {
		f.Add(s)
	}
	base, err := url.Parse("https://site.example/o2")
	if err != nil {
		f.Fatal(err)
	}
	c, err := New(base, credentials, Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		u, ok := c.resolve(c.base, ref)
		if !ok {
			return
		}
		// What is sent is read once more from its text.
		req, err := http.NewRequest(http.MethodGet, u.String(), nil)
		if err != nil {
			t.Fatalf("%q: %v", ref, err)
		}
		if req.URL.Scheme != "https" || req.URL.Host != "site.example" || req.Host != "site.example" ||
			req.URL.User != nil {
			t.Errorf("%q leads to %s", ref, req.URL.Host)
		}
	})
}

func TestContentRedirects(t *testing.T) {
	t.Parallel()
	to := func(location string) telemessagetest.Fault {
		return telemessagetest.Fault{Status: 302, Location: location}
	}
	tests := []struct {
		name   string
		faults []telemessagetest.Fault
		want   error
	}{
		{"three within the origin", []telemessagetest.Fault{to("/a"), to("https://site.example/b"), to("media/1")},
			nil},
		{"four within the origin", []telemessagetest.Fault{to("/a"), to("/b"), to("/c"), to("/media/1")},
			ErrUnavailable},
		{"to another host", []telemessagetest.Fault{to("https://evil.example/media/1")}, ErrGone},
		{"to another host, second step", []telemessagetest.Fault{to("/a"), to("//evil.example/media/1")}, ErrGone},
		{"to plain HTTP", []telemessagetest.Fault{to("http://site.example/media/1")}, ErrGone},
		{"to the metadata of the machine", []telemessagetest.Fault{to("http://169.254.169.254/")}, ErrGone},
		{"no target", []telemessagetest.Fault{to("")}, ErrGone},
	}
	for _, tt := range tests {
		site := newSite(telemessagetest.Options{})
		site.AddContent("/media/1", 5, text("hello"))
		for i, f := range tt.faults {
			site.Fail(telemessagetest.Content, i+1, f)
		}
		c, d := dial(t, site, 1)
		body, _, err := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: "/media/1"})
		if tt.want == nil && err != nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if err == nil {
			if data, err := io.ReadAll(body); string(data) != "hello" || err != nil {
				t.Errorf("%s: %q, %v", tt.name, data, err)
			}
			body.Close()
		}
		if len(d.hosts) != 1 || d.hosts["site.example"] == 0 {
			t.Errorf("%s: called %v", tt.name, d.hosts)
		}
	}
}

func TestContentStatus(t *testing.T) {
	t.Parallel()
	type F = telemessagetest.Fault
	tests := []struct {
		fault F
		src   telemessage.AttachmentSource
		kind  error
		tries int
	}{
		{F{Status: 404}, telemessage.AttachmentSource{}, ErrGone, 1},
		{F{Status: 410}, telemessage.AttachmentSource{}, ErrGone, 1},
		{F{Status: 404, Body: "<html>"}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{Status: 410, Body: "<html>"}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{Status: 401, Body: `{"code":301}`}, telemessage.AttachmentSource{}, ErrCredentials, 1},
		{F{Status: 401}, telemessage.AttachmentSource{}, ErrCredentials, 1},
		{F{Status: 403, Body: `{"code":309}`}, telemessage.AttachmentSource{}, ErrCredentials, 1},
		{F{Status: 403, Body: "<html>"}, telemessage.AttachmentSource{}, ErrUnavailable, 1},
		{F{Status: 400}, telemessage.AttachmentSource{}, ErrUnavailable, 1},
		{F{Status: 500}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{Status: 503, RetryAfter: "1"}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{Status: 206, Body: "hel"}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{HTML: true}, telemessage.AttachmentSource{Type: "image/png"}, ErrUnavailable, 3},
		{F{HTML: true}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{HTML: true}, telemessage.AttachmentSource{Type: "Text/HTML; charset=x"}, nil, 1},
		{F{Empty: true}, telemessage.AttachmentSource{Size: 5}, ErrUnavailable, 3},
		{F{Empty: true}, telemessage.AttachmentSource{}, nil, 1},
		{F{Reset: true}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
		{F{Stall: time.Hour}, telemessage.AttachmentSource{}, ErrUnavailable, 3},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			site := newSite(telemessagetest.Options{})
			tt.fault.Times = 100
			site.Fail(telemessagetest.Content, 1, tt.fault)
			c, d := dial(t, site, 3)
			tt.src.ContentURL = "/media/1"
			body, _, err := c.Attachment(t.Context(), tt.src)
			if tt.kind == nil && err != nil || tt.kind != nil && !errors.Is(err, tt.kind) || len(d.times) != tt.tries {
				t.Errorf("%+v: error %v after %d requests", tt, err, len(d.times))
			}
			if err == nil {
				_, _ = io.Copy(io.Discard, body)
				body.Close()
			}
		})
	}
}

// Content that is cut off or falls silent while it is read is out of reach for now, never taken for the whole.
func TestContentBreaksOff(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 10_000)
	for _, size := range []int64{int64(len(long)), -1} {
		for _, f := range []telemessagetest.Fault{{Cut: 50_000}, {StallAfter: 50_000}} {
			synctest.Test(t, func(t *testing.T) {
				site := newSite(telemessagetest.Options{})
				site.AddContent("/media/1", size, text(long))
				site.Fail(telemessagetest.Content, 1, f)
				c, _ := dial(t, site, 3)
				body, got, err := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: "/media/1"})
				if err != nil || got != size {
					t.Fatalf("size %d, error %v", got, err)
				}
				defer body.Close()
				if n, err := io.Copy(io.Discard, body); !errors.Is(err, ErrUnavailable) || n != 50_000 {
					t.Errorf("%+v: %d bytes, error %v", f, n, err)
				}
			})
		}
	}
}

// Where only the connection's end ends the body, the announced size says whether it is whole.
func TestContentWithoutLength(t *testing.T) {
	t.Parallel()
	c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Endless", "1")
		_, _ = io.WriteString(w, "hello")
	}), 1)
	for size, whole := range map[int64]bool{0: true, 4: true, 5: true, 6: false} {
		body, _, err := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: "/media/1", Size: size})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		body.Close()
		if string(data) != "hello" || (err == nil) != whole || !whole && !errors.Is(err, ErrUnavailable) {
			t.Errorf("announced %d: %q, %v", size, data, err)
		}
	}
}

// The credentials go to the site, with every request, and nowhere else.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	n := 0
	c, _ := dial(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != testUser || password != testPassword {
			t.Errorf("request %d has no credentials", n)
		}
		if n++; n < 3 {
			w.Header().Set("Location", fmt.Sprintf("/%d", n))
			w.WriteHeader(http.StatusFound)
		}
	}), 1)
	body, _, err := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: "/media/1"})
	if err != nil || n != 3 {
		t.Fatalf("%d requests, error %v", n, err)
	}
	body.Close()
}

// An address that people would call right is asked for, escaped as a URL has to be, and once.
func TestContentAddressIsEscaped(t *testing.T) {
	t.Parallel()
	for address, path := range map[string]string{
		"/media/a b.jpg":            "/media/a b.jpg",
		"/media/a%20b.jpg":          "/media/a b.jpg",
		"/media/100%.jpg":           "/media/100%.jpg",
		"/media/100%25.jpg":         "/media/100%.jpg",
		"/media/5%x.jpg":            "/media/5%x.jpg",
		"/media/größe 写真.jpg":       "/media/größe 写真.jpg",
		`/media/a\b.jpg`:            `/media/a\b.jpg`,
		`/media/"a" <b> {c}|d^e.gz`: `/media/"a" <b> {c}|d^e.gz`,
		"/media/[1].jpg":            "/media/[1].jpg",
		"/media/1.jpg#part two":     "/media/1.jpg",
		"/media/1.jpg?v=a b%":       "/media/1.jpg",
		"media 1/09:30.jpg":         "/media 1/09:30.jpg",
		"2026-11-28T09:30.jpg":      "/2026-11-28T09:30.jpg",
		"https://site.example/a b":  "/a b",
		"\u2003/media/1.jpg\u2003":  "/media/1.jpg",
	} {
		site := newSite(telemessagetest.Options{})
		site.AddContent(path, 5, text("hello"))
		c, d := dial(t, site, 1)
		body, _, err := c.Attachment(t.Context(), telemessage.AttachmentSource{ContentURL: address})
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		data, err := io.ReadAll(body)
		if string(data) != "hello" || err != nil || body.Close() != nil || d.hosts["site.example"] != 1 {
			t.Errorf("%q: %q, error %v, called %v", address, data, err, d.hosts)
		}
	}
}
