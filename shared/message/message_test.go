package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixture is a case: a record, the bytes of its attachments in their order, and which of them to leave out.
type fixture struct {
	Record record.Record     `json:"record"`
	Media  [][]byte          `json:"media"`
	Omit   map[string]string `json:"omit"`
}

// store has attachments by their hash.
type store map[string][]byte

func (s store) open(sha string) (io.ReadCloser, error) {
	b, ok := s[sha]
	if !ok {
		return nil, errors.New("no such blob")
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (s store) peek(a record.Attachment, n int) ([]byte, error) {
	b, ok := s[a.SHA256]
	if !ok {
		return nil, errors.New("no such blob")
	}
	return b[:min(n, len(b))], nil
}

func (s store) put(b []byte) (sha string) {
	sum := sha256.Sum256(b)
	sha = hex.EncodeToString(sum[:])
	s[sha] = b
	return sha
}

func (f *fixture) prepare() (store, Options) {
	s := store{}
	for i := range f.Record.Attachments {
		if a := &f.Record.Attachments[i]; a.Gone == "" {
			a.Size, a.SHA256 = int64(len(f.Media[i])), s.put(f.Media[i])
		}
	}
	return s, Options{Region: "GB", Omit: func(a record.Attachment) string { return f.Omit[a.Name] }, Peek: s.peek}
}

// readFixture reads a file of testdata.
func readFixture(t testing.TB, name string) *fixture {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{}
	if err := json.Unmarshal(data, f); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.json")
	if err != nil || len(cases) < 45 {
		t.Fatalf("found %d cases: %v", len(cases), err)
	}
	for _, name := range cases {
		base := strings.TrimSuffix(name, ".json")
		t.Run(filepath.Base(base), func(t *testing.T) {
			f := readFixture(t, name)
			s, o := f.prepare()
			got := build(t, &f.Record, o, s)
			checkMessage(t, &f.Record, o, s, got)
			golden := base + ".eml"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("message differs (-want +got); -update writes it anew:\n%s", diff)
			}
		})
	}
}

func build(t *testing.T, r *record.Record, o Options, s store) []byte {
	t.Helper()
	m, err := Build(r, o)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b, s.open); err != nil {
		t.Fatal(err)
	}
	if got := m.Size(); got != int64(b.Len()) {
		t.Errorf("Size = %d, written %d", got, b.Len())
	}
	return b.Bytes()
}

var fieldNames = regexp.MustCompile(
	`^Date From (To )?Message-Id In-Reply-To References Subject Thread-Topic Thread-Index ` +
		`(X-O2-[A-Za-z0-9-]+ )+Mime-Version Content-Type $`)

// checkMessage holds what must be true of every message, whatever the record.
func checkMessage(t *testing.T, r *record.Record, o Options, s store, raw []byte) {
	t.Helper()
	if again := build(t, r, o, s); !bytes.Equal(raw, again) {
		t.Error("a second run gives other bytes")
	}
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if len(line) > 998 {
			t.Errorf("a line of %d bytes", len(line))
		}
		if bytes.ContainsFunc(line, func(c rune) bool { return c < ' ' && c != '\t' || c > '~' }) {
			t.Errorf("a line that isn't plain ASCII: %q", line)
		}
	}
	checkFields(t, raw)

	p, err := Parse(iotest.HalfReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if want := record.MessageKey("", r.ID)[:40] + "@o2archiver.invalid"; p.ID != want {
		t.Errorf("ID = %s, want %s", p.ID, want)
	}
	if !strings.HasPrefix(p.Text, r.Text) {
		t.Errorf("text isn't kept: %.100q", p.Text)
	}
	own, block, ok := cutLast(p.Text, "\r\n"+ruler+"\r\n")
	if !ok {
		own, block, ok = cutLast("\r\n"+p.Text, "\r\n"+ruler+"\r\n")
	}
	if !ok || !strings.HasPrefix(own, r.Text) && r.Text != "" || !strings.Contains(firstLine(block), signature) {
		t.Errorf("the last ruler isn't ours: %.100q", block)
	}
	if !p.Date.Equal(r.Time.Truncate(time.Second)) {
		t.Errorf("Date = %v, want %v", p.Date, r.Time)
	}
	if strings.ContainsFunc(p.Subject, isBreak) || len([]rune(p.Subject)) > maxSubject {
		t.Errorf("Subject = %q", p.Subject)
	}
	for _, a := range append([]Address{p.From}, p.To...) {
		local, _, _ := strings.Cut(a.Address, "@")
		if !plainSMTP.MatchString(a.Address) || len(local) > 64 || strings.ContainsFunc(a.Name, isBreak) {
			t.Errorf("address %q", a)
		}
	}
	if len(p.To) > 500 || len(p.Headers) > 10 {
		t.Errorf("%d recipients, %d private headers", len(p.To), len(p.Headers))
	}
	checkPrivate(t, r, o, p)
	if p.HTML != "" || len(p.Text) < maxHTML/12 {
		checkHTML(t, r, p)
	}
	checkParts(t, r, o, s, p)
}

var plainSMTP = regexp.MustCompile(
	"^[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+(\\.[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+)*@([a-zA-Z0-9-]+\\.)+[a-zA-Z0-9-]+$")

// signature ends the line below the ruler, except for the notes.
const signature = " Everything below was added by the archiver."

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\r\n")
	return line
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// checkFields reads the header without go-message: nothing a record holds may add a field.
func checkFields(t *testing.T, raw []byte) {
	t.Helper()
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var names strings.Builder
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if line[0] != ' ' {
			name, _, _ := strings.Cut(line, ":")
			names.WriteString(name + " ")
		} else if strings.TrimSpace(line) == "" {
			t.Error("a line of blanks in the header")
		}
		if strings.Contains(line, "=?") && len(line) > 76 {
			t.Errorf("encoded words on a line of %d", len(line))
		}
	}
	if !fieldNames.MatchString(names.String()) {
		t.Errorf("fields: %s", names.String())
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Header.AddressList("From"); err != nil {
		t.Errorf("From: %v", err)
	}
	checkMultipart(t, m.Header.Get("Content-Type"), m.Body)
}

// checkMultipart reads all parts with the standard library.
func checkMultipart(t *testing.T, contentType string, body io.Reader) {
	t.Helper()
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		return
	}
	parts := multipart.NewReader(body, params["boundary"])
	n := 0
	for ; ; n++ {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Header) > 5 {
			t.Errorf("a part with %d fields", len(p.Header))
		}
		checkMultipart(t, p.Header.Get("Content-Type"), p)
	}
	if media == "multipart/alternative" && n != 2 {
		t.Errorf("%d alternatives", n)
	}
}
