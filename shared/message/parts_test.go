package message

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

var errBlob = errors.New("blob: try again later")

func TestWriteRefusesWrongAttachments(t *testing.T) {
	for name, c := range map[string]struct {
		open func(string) (io.ReadCloser, error)
		want string
	}{
		"too short":    {openZeros(999), "write attachment 1: 999 bytes of the 1000 it should have"},
		"too long":     {openZeros(1001), "write attachment 1: more than the 1000 bytes it should have"},
		"far too long": {openZeros(chunk * 5), "write attachment 1: more than the 1000 bytes it should have"},
		"not there": {func(string) (io.ReadCloser, error) { return nil, errBlob },
			"open attachment 1: blob: try again later"},
		"broken off": {func(string) (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(&zeros{500}, iotest.ErrReader(errBlob))), nil
		}, "write attachment 1: blob: try again later"},
		"no way": {nil, "open attachment 1: no way to open it"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Build(withFile(1000), Options{Region: "GB"})
			if err != nil {
				t.Fatal(err)
			}
			err = m.Write(io.Discard, c.open)
			if err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if strings.Contains(c.want, "blob") != errors.Is(err, errBlob) {
				t.Errorf("error %v doesn't wrap its cause", err)
			}
		})
	}
}

// closer counts how often it is closed.
type closer struct {
	io.Reader
	closed *int
}

func (c closer) Close() error { *c.closed++; return nil }

func TestWriteClosesAttachments(t *testing.T) {
	m, err := Build(withFile(1000), Options{Region: "GB"})
	if err != nil {
		t.Fatal(err)
	}
	closed := 0
	for _, size := range []int64{1000, 10} {
		_ = m.Write(io.Discard, func(string) (io.ReadCloser, error) { return closer{&zeros{size}, &closed}, nil })
	}
	if closed != 2 {
		t.Errorf("closed %d readers of 2", closed)
	}
}

func TestBuildRefuses(t *testing.T) {
	r := shortText()
	r.ID = ""
	var fault *record.Fault
	if _, err := Build(r, Options{}); !errors.As(err, &fault) || fault.Field != "messageId" {
		t.Errorf("error %v", err)
	}
}

func TestManyOfEverything(t *testing.T) {
	r := shortText()
	for i := range 700 {
		name := strings.Repeat("🎉", 120) + string(rune(0x4e00+i))
		r.To = append(r.To, record.Participant{Value: name, FirstName: name,
			Emails: []string{"x" + strings.Repeat("é", 300)}})
	}
	s := store{}
	for range 1001 {
		r.Attachments = append(r.Attachments, record.Attachment{Name: "a.txt", Size: 1, SHA256: s.put([]byte("a"))})
	}
	o := Options{Region: "GB", Numbers: NewNumberCache()}
	raw := build(t, r, o, s)
	p, err := Parse(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if len(p.To) != maxRecipient {
		t.Errorf("%d recipients", len(p.To))
	}
	if n := strings.Count(p.Text, "\nTo: "); n != 701 {
		t.Errorf("the text names %d recipients of 701", n)
	}
	checkParts(t, r, o, s, p)

	// Beyond what a message can name, it says how many there are.
	r = shortText()
	r.Attachments = make([]record.Attachment, maxFiles+5)
	for i := range r.Attachments {
		r.Attachments[i] = record.Attachment{Name: "a.txt", Size: 1, SHA256: s.put([]byte("a"))}
	}
	if p, err = Parse(bytes.NewReader(build(t, r, o, s))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Text, "Attachments: 10,005, of which the first 10,000 are named here and attached.") ||
		!strings.Contains(p.Subject, "(5 attachments missing)") {
		t.Errorf("subject %q, and no line about what is left out", p.Subject)
	}
}

// The block names the people whom the header leaves out, and only then.
func TestHeaderNamesTheFirst500(t *testing.T) {
	const at = "; the first 20 are named above, the others at the end."
	for _, c := range []struct {
		entries, different, named int
		want                      []string
	}{
		{20, 20, 20, nil},
		{21, 20, 20, []string{"21" + at}},
		{500, 500, 500, []string{"500" + at}},
		{501, 501, 500, []string{"501" + at + " The header names the first 500 of 501 different ones."}},
		{600, 450, 450, []string{"600" + at}},
		{600, 500, 500, []string{"600" + at}},
		{1200, 1100, 500, []string{"1,200" + at + " The header names the first 500 of 1,100 different ones."}},
	} {
		r := shortText()
		r.To = nil
		for i := range c.entries {
			r.To = append(r.To, record.Participant{Value: fmt.Sprint("Member ", i%c.different)})
		}
		o := Options{Region: "GB"}
		raw := build(t, r, o, nil)
		checkMessage(t, r, o, nil, raw)
		p, err := Parse(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		_, block := blockOf(p.Text)
		if diff := cmp.Diff(c.want, block["Recipients"]); diff != "" || len(p.To) != c.named {
			t.Errorf("%d recipients, %d different ones: the header names %d, the block (-want +got):\n%s", c.entries,
				c.different, len(p.To), diff)
		}
	}
}

// One message is built for a record and written for each of its mailboxes.
func TestWriteTwiceAtOnce(t *testing.T) {
	m, err := Build(withFile(200_000), Options{Region: "GB"})
	if err != nil {
		t.Fatal(err)
	}
	var copies [4]bytes.Buffer
	var group sync.WaitGroup
	for i := range copies {
		group.Go(func() {
			if err := m.Write(&copies[i], openZeros(200_000)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for i := range copies {
		if !bytes.Equal(copies[0].Bytes(), copies[i].Bytes()) {
			t.Errorf("copy %d differs", i)
		}
	}
}

// The Message-ID identifies the message: it may not change with anything but the source's id.
func TestIDDependsOnRecordIDAlone(t *testing.T) {
	a, b, c := shortText(), shortText(), shortText()
	b.Text, b.From.FirstName, b.Owner = "other", "", "447700900456"
	c.ID += "x"
	ids := map[string]bool{}
	for _, r := range []*record.Record{a, b, c} {
		m, err := Build(r, Options{Region: "GB"})
		if err != nil {
			t.Fatal(err)
		}
		ids[m.ID()] = true
	}
	if len(ids) != 2 {
		t.Errorf("%d ids, want 2", len(ids))
	}
}

func TestConversationIsTheSetOfParticipants(t *testing.T) {
	conversation := func(owner, from string, to ...string) string {
		r := &record.Record{Owner: owner, From: record.Participant{Value: from}}
		for _, v := range to {
			r.To = append(r.To, record.Participant{Value: v})
		}
		return participantsOf(r, Options{Region: "GB", Numbers: NewNumberCache()}).conversation
	}
	one := conversation("447700900123", "+447700900123", "07700 900456")
	for name, same := range map[string]string{
		"answer":           conversation("447700900123", "447700900456", "447700900123"),
		"other owner":      conversation("447700900456", "+447700900123", "+447700900456"),
		"named twice":      conversation("", "07700900456", "+447700900123", "+44 7700 900456"),
		"without receiver": conversation("447700900123", "+447700900456"),
	} {
		if same != one {
			t.Errorf("%s is another conversation", name)
		}
	}
	for name, other := range map[string]string{
		"one more": conversation("447700900123", "+447700900123", "07700 900456", "HMRC"),
		"other":    conversation("447700900123", "+447700900123", "07700 900457"),
		"nobody":   conversation("", ""),
	} {
		if other == one {
			t.Errorf("%s is the same conversation", name)
		}
	}
}

func TestAddresses(t *testing.T) {
	p := func(value, first string, emails ...string) record.Participant {
		return record.Participant{Value: value, FirstName: first, Emails: emails}
	}
	got := map[string]bool{}
	for _, c := range []struct {
		given record.Participant
		want  string // with "" only that it differs from all others
	}{
		{p("+447700900123", ""), "447700900123@sms.o2archiver.invalid"},
		{p("07700 900124", "Jane", "Jane.Doe@contoso.example"), "Jane.Doe@contoso.example"},
		{p("07700 900125", "", "jane@contoso", "x@y.example"), "x@y.example"},
		{p("07700 900126", "", "x@sms.o2archiver.invalid", "x@O2ARCHIVER.invalid", `"a b"@c.example`, "a..b@c.example",
			"a@-b.example", "a@b.1"), "447700900126@sms.o2archiver.invalid"},
		{p("65000", ""), "65000@sms.o2archiver.invalid"},
		{p("O2", ""), "o2@sms.o2archiver.invalid"},
		{p("", ""), "unknown@sms.o2archiver.invalid"},
		{p("o2", ""), ""}, {p("O 2", ""), ""}, {p("O-2", ""), ""}, {p("o2 ", ""), ""}, {p("Ö2", ""), ""}, {p("語", ""),
			""}, {p("言", ""), ""},
		{p("12345678901234567890", ""), ""}, {p(strings.Repeat("A", 500), ""), ""}, {p(strings.Repeat("A", 501), ""),
			""},
		{p("", "O2"), ""}, {p("", "Jane"), ""}, {p("", "", "not an address"), ""}, {p("", "", "neither"),
			""}, {p("Unknowne", ""), ""},
	} {
		a := personOf(c.given, c.given.Value, Options{Region: "GB", Numbers: NewNumberCache()}, 0).address.Address
		if c.want != "" && a != c.want {
			t.Errorf("%+v: %s, want %s", c.given, a, c.want)
		}
		if !plainSMTP.MatchString(a) || strings.IndexByte(a, '@') > 64 {
			t.Errorf("%+v: %s is no plain address", c.given, a)
		}
		// "o2 " is "o2" with a blank behind it: the same sender.
		if got[strings.ToLower(a)] && c.given.Value != "o2 " {
			t.Errorf("%+v: %s is another sender's", c.given, a)
		}
		got[strings.ToLower(a)] = true
	}
}

func TestParseRefuses(t *testing.T) {
	m, err := Build(withFile(100_000), Options{Region: "GB"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b, openZeros(100_000)); err != nil {
		t.Fatal(err)
	}
	read := func(r io.Reader) error {
		p, err := Parse(r)
		for err == nil {
			var part *Part
			if part, err = p.Next(); err == nil {
				_, err = io.Copy(io.Discard, part.Body)
			}
		}
		if err == io.EOF {
			return nil
		}
		return err
	}
	if err := read(bytes.NewReader(b.Bytes())); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < b.Len()-4; n += 1 + n/20 {
		if err := read(bytes.NewReader(b.Bytes()[:n])); err == nil {
			t.Errorf("cut off after %d bytes of %d: no error", n, b.Len())
		} else if strings.Contains(err.Error(), "Jane") || strings.Contains(err.Error(), "7700") {
			t.Errorf("the error has content in it: %v", err)
		}
		if err := read(io.MultiReader(bytes.NewReader(b.Bytes()[:n]), iotest.ErrReader(errBlob))); !errors.Is(err,
			errBlob) {
			t.Errorf("broken off after %d bytes: %v", n, err)
		}
	}
	for name, change := range map[string][2]string{
		"no id":           {"Message-Id:", "X:"},
		"no date":         {"Date:", "X:"},
		"no sender":       {"From:", "X:"},
		"bad recipient":   {"To: ", "To: <,"},
		"bad type":        {"Content-Type: multipart/mixed", "Content-Type: ;/"},
		"bad disposition": {"Content-Disposition: attachment", "Content-Disposition: ;;"},
		"other encoding":  {"Encoding: base64", "Encoding: x-uu"},
	} {
		changed := strings.Replace(b.String(), change[0], change[1], 1)
		if err := read(strings.NewReader(changed)); err == nil || changed == b.String() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A big attachment is streamed: what is held doesn't grow with it.
func TestHoldsLittle(t *testing.T) {
	const size = 8 << 20
	m, err := Build(withFile(size), Options{Region: "GB"})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, w := io.Pipe()
	go func() { w.CloseWithError(m.Write(w, openZeros(size))) }()
	p, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	part, err := p.Next()
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, part.Body)
	runtime.ReadMemStats(&after)
	if err != nil || n != size {
		t.Fatalf("%d bytes, %v", n, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d bytes for an attachment of %d", got, size)
	}
}

func TestNumbersForgets(t *testing.T) {
	n := NewNumberCache()
	for i := range maxNumbers + 10 {
		n.read(strings.Repeat("x", i%50)+string(rune('a'+i%26))+strings.Repeat("y",
			i/1300%13)+string(rune(0x4e00+i%20000)), "GB")
	}
	if len(n.known) > maxNumbers {
		t.Errorf("holds %d", len(n.known))
	}
	if got := n.read("07700 900123", "GB"); got != (number{"+447700900123", "07700 900123", "+44 7700 900123"}) ||
		n.read("07700 900123", "GB") != got {
		t.Errorf("reads %+v", got)
	}
	if got := n.read("07700 900123", "DE"); got.e164 == "+447700900123" {
		t.Error("the region doesn't count")
	}
}

func TestDuplicateNamesAreQuick(t *testing.T) {
	taken := map[string]int{}
	seen := map[string]bool{}
	for range 20_000 {
		name := distinctName("photo.jpg", taken)
		if seen[name] {
			t.Fatalf("%s twice", name)
		}
		seen[name] = true
	}
	if !seen["photo (20000).jpg"] {
		t.Error("names aren't numbered one by one")
	}
}
