package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/mailbox/mailboxtest"
)

func TestImportWithOneRequest(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{}, func(config *Config) { config.Class = "IPM.Note.O2" })
	s := slot(t, c, alice)
	m := sms(1)
	m.InReplyTo, m.References = "<root@o2archiver.invalid>", "<root@o2archiver.invalid>"
	id, err := s.Import(t.Context(), m, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := g.Messages(alice)
	if len(got) != 1 || got[0].ID != id {
		t.Fatalf("got %d messages, want the one", len(got))
	}
	one := got[0]
	for what, pair := range map[string][2]any{
		"folder":     {folder, one.FolderName},
		"draft":      {false, one.Draft},
		"read":       {true, one.Read},
		"class":      {"IPM.Note.O2", one.Class},
		"subject":    {m.Subject, one.Subject},
		"text":       {m.Text, one.Text},
		"type":       {"text", one.TextType},
		"from":       {mailboxtest.Address{Name: m.From.Name, Address: m.From.Address}, *one.From},
		"to":         {[]mailboxtest.Address{{Name: m.To[0].Name, Address: m.To[0].Address}}, one.To},
		"message id": {m.MessageID, one.InternetMessageID},
		"headers": {[]mailboxtest.Header{{Name: "X-O2-Message-Id", Value: "m-1"}, {Name: "X-O2-Type", Value: "SMS"}},
			one.Headers},
		"sent":     {m.Sent, one.Sent.UTC()},
		"received": {m.Received, one.Received.UTC()},
		"properties": {map[string]string{archiveKey: key(1), "String 0x1042": m.InReplyTo,
			"String 0x1039": m.References}, rest(one.Properties)},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if _, err := s.Import(t.Context(), sms(2), nil); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"token": 4, "folders": 1, "folder": 1, "create": 2}
	if diff := cmp.Diff(want, g.Requests().Kinds); diff != "" {
		t.Errorf("requests: %s", diff)
	}
	if r := g.Requests(); r.NoClientID+r.NoImmutableID+r.Refused != 0 {
		t.Errorf("requests without their headers, or refused: %+v", r)
	}
}

// rest is the properties that the stand-in has no field for.
func rest(properties map[string]string) map[string]string {
	out := map[string]string{}
	for id, value := range properties {
		switch id {
		case "Integer 0x0E07", "SystemTime 0x0039", "SystemTime 0x0E06", "String 0x001A":
		default:
			out[id] = value
		}
	}
	return out
}

func TestImportKeepsToGraphsBounds(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	m := sms(1)
	m.To = nil
	for i := range 600 {
		m.To = append(m.To, Address{strings.Repeat("n", 300), fmt.Sprintf("44770090%04d@sms.o2archiver.invalid", i)})
	}
	m.Headers = nil
	for i := range 9 {
		m.Headers = append(m.Headers, Header{fmt.Sprintf("X-O2-%d", i), strings.Repeat("v", 995)})
	}
	if _, err := slot(t, c, alice).Import(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	one := g.Messages(alice)[0]
	if len(one.To) != 500 || len(one.Headers) != 5 {
		t.Errorf("%d recipients and %d headers, want 500 and 5", len(one.To), len(one.Headers))
	}
	bare := sms(2)
	bare.Headers = []Header{{"Subject", "x"}, {"X-O2-Long", strings.Repeat("v", 996)}, {"X-O2-Empty", ""}}
	if _, err := slot(t, c, alice).Import(t.Context(), bare, nil); err != nil {
		t.Fatal(err)
	}
	if one := g.Messages(alice)[1]; len(one.Headers) != 0 {
		t.Errorf("headers that would be refused were sent: %v", one.Headers)
	}
}

func TestImportAttachments(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	for name, test := range map[string]struct {
		sizes []int64
		want  map[string]int // requests, without folders and tokens
	}{
		"empty":                   {[]int64{0}, map[string]int{"create": 1}},
		"small":                   {[]int64{10, 100_000, 1}, map[string]int{"create": 1}},
		"as much as goes in":      {[]int64{2_620_000}, map[string]int{"create": 1}},
		"a little more":           {[]int64{2_630_000}, map[string]int{"create": 1, "attachment": 1, "patch": 1}},
		"two that fit one by one": {[]int64{1 * mb, 2 * mb}, map[string]int{"create": 1, "attachment": 1, "patch": 1}},
		"largest post":            {[]int64{maxEasyPost}, map[string]int{"create": 1, "attachment": 1, "patch": 1}},
		"whichever MB it is":      {[]int64{3_050_000}, map[string]int{"create": 1, "session": 1, "patch": 1}},
		"session":                 {[]int64{3 << 20}, map[string]int{"create": 1, "session": 1, "part": 1, "patch": 1}},
		"one part exactly": {[]int64{uploadPart},
			map[string]int{"create": 1, "session": 1, "part": 1, "patch": 1}},
		"three parts": {[]int64{2*uploadPart + 1},
			map[string]int{"create": 1, "session": 1, "part": 3, "patch": 1}},
		"small, large, small": {[]int64{1000, 9 * mb, 1000},
			map[string]int{"create": 1, "session": 1, "part": 3, "attachment": 1, "patch": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := open(t, mailboxtest.Options{})
			id, err := slot(t, c, alice).Import(t.Context(), with(sms(1), test.sizes...), nil)
			if err != nil {
				t.Fatal(err)
			}
			got := g.Messages(alice)
			if len(got) != 1 || got[0].ID != id || len(got[0].Attachments) != len(test.sizes) {
				t.Fatalf("the message isn't there with its %d attachments", len(test.sizes))
			}
			for i, a := range got[0].Attachments {
				if a.Name != fmt.Sprintf("file-%d.bin", i+1) || a.Size != test.sizes[i] ||
					a.SHA256 != sum(test.sizes[i]) {
					t.Errorf("attachment %d arrived as %s with %d bytes", i+1, a.Name, a.Size)
				}
			}
			state, has := got[0].Property("ImportState")
			if later := test.want["patch"] > 0; has != later || later && state != "complete" {
				t.Errorf("import state %q (%v)", state, has)
			}
			kinds := g.Requests().Kinds
			for _, k := range []string{"token", "folder", "folders"} {
				delete(kinds, k)
			}
			if name == "whichever MB it is" { // the stand-in decides whether 3,050,000 bytes are 3 MB
				if kinds["attachment"]+kinds["part"] != 1 {
					t.Errorf("neither posted nor uploaded: %v", kinds)
				}
				delete(kinds, "attachment")
				delete(kinds, "part")
			}
			if diff := cmp.Diff(test.want, kinds); diff != "" {
				t.Errorf("requests: %s", diff)
			}
		})
	}
}

func TestImportLongText(t *testing.T) {
	t.Parallel()
	for name, sessions := range map[string]bool{"with upload sessions": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := open(t, mailboxtest.Options{NoUploadSessions: !sessions},
				func(config *Config) { config.UploadSessions = sessions })
			m := with(sms(1), 1000)
			m.Text = strings.Repeat("Line with \"quotes\" and 😀\r\n", 120_000) // 3.5 MB
			if _, err := slot(t, c, alice).Import(t.Context(), m, nil); err != nil {
				t.Fatal(err)
			}
			one := g.Messages(alice)[0]
			start := strings.TrimSuffix(one.Text, goesOn)
			if start == one.Text || !strings.HasPrefix(m.Text, start) || len(start) < 1_000_000 {
				t.Errorf("the body is not the beginning of the text with the remark: %d bytes", len(one.Text))
			}
			var files []byte
			for _, a := range one.Attachments[:len(one.Attachments)-1] {
				files = append(files, a.Content...)
			}
			if string(files) != m.Text {
				t.Errorf("the attachments hold %d bytes, not the text's %d", len(files), len(m.Text))
			}
			if sessions && one.Attachments[0].Name != "message.txt" {
				t.Errorf("the attachment is called %s", one.Attachments[0].Name)
			}
		})
	}
}

func TestImportTooLarge(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{NoUploadSessions: true}, func(config *Config) { config.UploadSessions = false })
	s := slot(t, c, alice)
	_, err := s.Import(t.Context(), with(sms(1), 100, 4_000_000), nil)
	wantError(t, err, Error{Kind: TooLarge, Code: "NoUploadSessions"})
	if _, err := s.Import(t.Context(), with(sms(2), 3_100_000), nil); err != nil {
		t.Errorf("an attachment that fits into a request: %v", err)
	}
	if n := len(g.Messages(alice)); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}

	g, c = open(t, mailboxtest.Options{MessageLimit: 5 << 20})
	s = slot(t, c, alice)
	_, err = s.Import(t.Context(), with(sms(1), maxUpload+1), nil)
	wantError(t, err, Error{Kind: TooLarge, Code: "OverUploadLimit"})
	id, err := s.Import(t.Context(), with(sms(2), 3<<20, 3<<20), nil)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != TooLarge || !e.Ambiguous || id == "" {
		t.Fatalf("over the tenant's limit: got %q, %v; want an id and TooLarge with an effect", id, err)
	}
	if found, err := s.Find(t.Context(), key(2)); err != nil || len(found) != 1 || !found[0].Partial ||
		found[0].ID != id {
		t.Fatalf("found %+v, %v; want the partial message", found, err)
	}
	g.Fail("delete", 1, mailboxtest.Fault{HTML: true})
	wantError(t, s.Delete(t.Context(), id, nil),
		Error{Kind: Unavailable, Status: 200, Code: "UnreadableAnswer", Ambiguous: true})
	for range 2 { // safe twice
		if err := s.Delete(t.Context(), id, nil); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := s.Find(t.Context(), key(2)); err != nil || len(found) != 0 || len(g.Messages(alice)) != 0 {
		t.Errorf("after Delete: found %+v, %v", found, err)
	}
}

func TestImportBrokenContent(t *testing.T) {
	t.Parallel()
	errRead := errors.New("storage is away")
	body := func(size int64, r io.Reader) func() (*Attachment, error) {
		return func() (*Attachment, error) { return &Attachment{Name: "a", Size: size, Body: r}, nil }
	}
	for name, test := range map[string]struct {
		next  func() (*Attachment, error)
		there bool
		cause error
	}{
		"short":        {body(100, strings.NewReader("abc")), false, nil},
		"long":         {body(2, strings.NewReader("abc")), false, nil},
		"unreadable":   {body(100, iotestErr{errRead}), false, errRead},
		"no body":      {body(100, nil), false, nil},
		"no size":      {body(-1, strings.NewReader("")), false, nil},
		"no part":      {func() (*Attachment, error) { return nil, errRead }, false, errRead},
		"short upload": {body(9_000_000, io.LimitReader(new(pattern), 8_000_000)), true, nil},
		"long upload":  {body(4_000_000, new(pattern)), true, nil},
		"short post":   {body(2_900_000, io.LimitReader(new(pattern), 2_000_000)), true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, c := open(t, mailboxtest.Options{})
			m := sms(1)
			m.Next = test.next
			id, err := slot(t, c, alice).Import(t.Context(), m, nil)
			wantError(t, err, Error{Kind: Content, Ambiguous: test.there})
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("%v doesn't match the reader's error", err)
			}
			if n := len(g.Messages(alice)); (n == 1) != test.there || (id != "") != test.there {
				t.Errorf("%d messages there, id %q", n, id)
			}
			for _, one := range g.Messages(alice) {
				if state, _ := one.Property("ImportState"); state != "partial" || len(one.Attachments) > 0 {
					t.Errorf("the message is %q with %d attachments", state, len(one.Attachments))
				}
			}
		})
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

func sum(size int64) string {
	var b bytes.Buffer
	io.Copy(&b, io.LimitReader(new(pattern), size))
	return hexSum(b.Bytes())
}

func TestStepsAfterTheCreateAreTakenAgain(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	g.Fail("session", 1, mailboxtest.Fault{Status: 503})
	g.Fail("part", 2, mailboxtest.Fault{Status: 429, RetryAfter: "0.2"})
	g.Fail("attachment", 1, mailboxtest.Fault{Status: 429, RetryAfter: "0.2"})
	g.Fail("patch", 1, mailboxtest.Fault{Status: 504, After: true})
	g.Fail("patch", 2, mailboxtest.Fault{Empty: true}) // a success that is none
	if _, err := slot(t, c, alice).Import(t.Context(), with(sms(1), 9_000_000, 1000), nil); err != nil {
		t.Fatal(err)
	}
	one := g.Messages(alice)[0]
	if state, _ := one.Property("ImportState"); state != "complete" || len(one.Attachments) != 2 ||
		one.Attachments[0].SHA256 != sum(9_000_000) {
		t.Errorf("the message is %q with %d attachments", state, len(one.Attachments))
	}
}

func TestAnAttachmentInDoubtIsNotPostedTwice(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	g.Fail("attachment", 1, mailboxtest.Fault{Status: 504, After: true})
	id, err := slot(t, c, alice).Import(t.Context(), with(sms(1), 2_900_000), nil)
	wantError(t, err, Error{Kind: Unavailable, Status: 504, Code: "UnknownError", Ambiguous: true})
	if n := g.Requests().Kinds["attachment"]; n != 1 || id == "" {
		t.Errorf("%d posts of the attachment, want 1", n)
	}
	g.Fail("part", 1, mailboxtest.Fault{Reset: true})
	_, err = slot(t, c, alice).Import(t.Context(), with(sms(2), 9_000_000), nil)
	wantError(t, err, Error{Kind: Unavailable, Code: "ConnectionClosed", Ambiguous: true})
	g.Fail("part", 1, mailboxtest.Fault{Status: 200, Body: `{"nextExpectedRanges":["7-"]}`})
	_, err = slot(t, c, alice).Import(t.Context(), with(sms(3), 9_000_000), nil)
	wantError(t, err, Error{Kind: Unavailable, Status: 200, Code: "UploadOutOfStep", Ambiguous: true})
}

func TestRenew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, c := virtual(t, mailboxtest.Options{Users: []mailboxtest.User{{ID: alice}}})
		c.renewEvery = 20 * time.Millisecond
		g.Fail("create", 1, mailboxtest.Fault{Status: 503, Stall: 210 * time.Millisecond})
		var calls atomic.Int32
		renew := func(context.Context) error { calls.Add(1); return nil }
		_, err := slot(t, c, alice).Import(t.Context(), sms(1), renew)
		wantError(t, err, Error{Kind: Unavailable, Status: 503, Code: "ServiceUnavailable", Ambiguous: true})
		if n := calls.Load(); n != 10 {
			t.Errorf("renewed %d times, want 10", n)
		}

		errGone := errors.New("somebody else's")
		g.Fail("create", 1, mailboxtest.Fault{Stall: 5 * time.Second})
		began := time.Now()
		_, err = slot(t, c, alice).Import(t.Context(), sms(1), func(context.Context) error {
			if g.Requests().Kinds["create"] < 2 {
				return nil
			}
			return errGone
		})
		wantError(t, err, Error{Kind: Lost, Ambiguous: true})
		if took := time.Since(began); !errors.Is(err, errGone) || took > time.Second {
			t.Errorf("got %v after %v", err, took)
		}

		calls.Store(0)
		c.renewEvery = time.Minute
		if _, err := slot(t, c, alice).Import(t.Context(), sms(2), renew); err != nil || calls.Load() != 0 {
			t.Errorf("a quick import renewed %d times: %v", calls.Load(), err)
		}
	})
}

func TestImportEndsWithItsContext(t *testing.T) {
	t.Parallel()
	g, c := open(t, mailboxtest.Options{})
	s := slot(t, c, alice)
	if _, err := s.Folder(t.Context()); err != nil {
		t.Fatal(err)
	}
	errWhy := errors.New("the instance goes down")
	ctx, cancel := context.WithCancelCause(t.Context())
	g.Fail("create", 1, mailboxtest.Fault{Stall: 5 * time.Second})
	go func() {
		for g.Requests().Kinds["create"] == 0 {
			time.Sleep(time.Millisecond)
		}
		cancel(errWhy)
	}()
	_, err := s.Import(ctx, sms(1), nil)
	wantError(t, err, Error{Kind: Unavailable, Code: "Canceled", Ambiguous: true})
	if !errors.Is(err, errWhy) {
		t.Errorf("%v doesn't match the cause", err)
	}
	_, err = s.Import(ctx, sms(1), nil)
	wantError(t, err, Error{Kind: Unavailable, Code: "Canceled"})
}
