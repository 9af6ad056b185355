package contract

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/source/telemessage"
	"o2archiver/shared/source/telemessage/client"
)

var (
	day0 = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	day1 = day0.AddDate(0, 0, 1)
)

func dial(t *testing.T, base *url.URL, password string) *client.Client {
	t.Helper()
	c, err := client.New(base, func(r *http.Request) { r.SetBasicAuth(User, password) }, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// readAll reads a window page by page.
func readAll(t *testing.T, c *client.Client, from, to time.Time, limit int) (ids []string, pages int) {
	t.Helper()
	for cursor := ""; ; {
		next, err := c.Items(t.Context(), from, to, cursor, limit, func(it client.Item) error {
			var item struct{ MessageID string }
			if err := json.Unmarshal(it.Raw, &item); err != nil {
				return err
			}
			ids = append(ids, item.MessageID)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		pages++
		if cursor = next; cursor == "" {
			return ids, pages
		}
	}
}

// Pages by the client's limit and by the server's own; first moment in, last moment out; a count; and a server that is
// busy first.
func TestPages(t *testing.T) {
	base := ForTest(t, "--page", "3", "--busy", "2")
	c := dial(t, base, Password)
	all, pages := readAll(t, c, day0, day1, 1000)
	if len(all) != 8 || pages != 3 || all[0] != "O2-20261122-0001" || all[7] != "O2-20261122-0008" {
		t.Errorf("%d pages: %v", pages, all)
	}
	if ids, pages := readAll(t, c, day0, day1, 1); len(ids) != 8 || pages != 8 {
		t.Errorf("one item a page: %d pages of %v", pages, ids)
	}
	first, last := time.Date(2026, 11, 22, 9, 30, 41, 0, time.UTC), time.Date(2026, 11, 22, 14, 0, 1, 0, time.UTC)
	if ids, _ := readAll(t, c, first, last, 10); len(ids) != 7 {
		t.Errorf("the first moment belongs to a window and the last does not: %v", ids)
	}
	if ids, _ := readAll(t, c, day1, day1.AddDate(0, 0, 1), 10); len(ids) != 0 {
		t.Errorf("an empty window has %v", ids)
	}
	if n, known, err := c.Count(t.Context(), day0, day1); n != 8 || !known || err != nil {
		t.Errorf("count %d, %t, %v", n, known, err)
	}
	if c.SiteTime().IsZero() {
		t.Error("the server says no Date")
	}
}

func TestCredentials(t *testing.T) {
	none := func(client.Item) error { return nil }
	base := ForTest(t)
	_, err := dial(t, base, "wrong").Items(t.Context(), day0, day1, "", 10, none)
	if !errors.Is(err, client.ErrCredentials) || !strings.Contains(err.Error(), "301") {
		t.Errorf("a wrong password: %v", err)
	}
	stranger, err := client.New(base, func(r *http.Request) { r.SetBasicAuth("stranger", Password) }, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = stranger.Items(t.Context(), day0, day1, "", 10, none); !errors.Is(err, client.ErrCredentials) ||
		!strings.Contains(err.Error(), "300") {
		t.Errorf("no such user: %v", err)
	}
	_, err = dial(t, ForTest(t, "--suspended"), Password).Items(t.Context(), day0, day1, "", 10, none)
	if !errors.Is(err, client.ErrCredentials) || !strings.Contains(err.Error(), "309") {
		t.Errorf("a suspended user: %v", err)
	}
}

// A cursor that is too old, or not the server's, begins the window anew.
func TestCursorExpires(t *testing.T) {
	none := func(client.Item) error { return nil }
	c := dial(t, ForTest(t, "--page", "3", "--cursor-seconds", "0"), Password)
	next, err := c.Items(t.Context(), day0, day1, "", 10, none)
	if err != nil || next == "" {
		t.Fatalf("cursor %q, %v", next, err)
	}
	for _, cursor := range []string{next, "b3Blbi1zZXNhbWU"} {
		if _, err := c.Items(t.Context(), day0, day1, cursor, 10, none); !errors.Is(err, client.ErrCursorExpired) {
			t.Errorf("a cursor of no use: %v", err)
		}
	}
}

func TestContent(t *testing.T) {
	c := dial(t, ForTest(t), Password)
	body, size, err := c.Attachment(t.Context(),
		telemessage.AttachmentSource{ContentURL: "/media/call-9002.wav", Type: "audio/wav"})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); err != nil || int64(len(data)) != size ||
		!strings.HasPrefix(string(data), "RIFF") {
		t.Errorf("%d bytes of %d, %v", len(data), size, err)
	}
	if _, _, err := c.Attachment(t.Context(),
		telemessage.AttachmentSource{ContentURL: "/media/gone.wav"}); !errors.Is(err, client.ErrGone) {
		t.Errorf("a file that is not there: %v", err)
	}
}
