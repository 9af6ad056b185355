package sample

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var end = time.Date(2026, 11, 23, 5, 20, 0, 0, time.UTC)

// made is the day that tests which change nothing share.
var made = sync.OnceValue(func() *Day { return Make(end) })

// objects is the day's items decoded, in their order: the tests only read them.
var objects = sync.OnceValue(func() []map[string]any { return decodeAll(made()) })

func TestDayIsDeterministic(t *testing.T) {
	one, two := *made(), *Make(end.Add(300 * time.Millisecond))
	if !slices.EqualFunc(one.Items, two.Items, func(a, b Item) bool {
		return a.Archived.Equal(b.Archived) && a.Trap == b.Trap && bytes.Equal(a.Raw, b.Raw)
	}) {
		t.Error("the items of two days for one end differ")
	}
	if !slices.EqualFunc(one.Contents, two.Contents,
		func(a, b Content) bool { return a.Path == b.Path && bytes.Equal(a.Data, b.Data) }) {
		t.Error("the contents of two days for one end differ")
	}
	one.Items, two.Items, one.Contents, two.Contents = nil, nil, nil, nil
	if diff := cmp.Diff(one, two, cmp.AllowUnexported(Day{}, secrets{})); diff != "" {
		t.Errorf("two days for one end differ: %s", diff)
	}
}

func TestIDsDifferFromDayToDay(t *testing.T) {
	today := map[string]bool{}
	for _, o := range objects() {
		if id, ok := o["messageId"].(string); ok && id != "" {
			today[id] = true
		}
	}
	tomorrow := Make(end.Add(24 * time.Hour))
	for _, o := range decodeAll(tomorrow) {
		if id, _ := o["messageId"].(string); today[id] {
			t.Fatalf("id %q is in both days", id)
		}
	}
	if diff := cmp.Diff(made().Expect, tomorrow.Expect); diff != "" {
		t.Errorf("what is expected depends on the day: %s", diff)
	}
	if diff := cmp.Diff(made().Users, tomorrow.Users); diff != "" {
		t.Errorf("the tenant depends on the day: %s", diff)
	}
}

func TestWindow(t *testing.T) {
	d := made()
	var last time.Time
	old := 0
	for i, it := range d.Items {
		if it.Archived.Before(last) {
			t.Fatal("items are not in the order of the time archived")
		}
		last = it.Archived
		switch {
		case !it.Archived.Before(d.Start) && it.Archived.Before(d.End):
		case it.Archived.After(d.End.AddDate(0, 0, -16)) && it.Archived.Before(d.End.AddDate(0, 0, -15)):
			old++
		default:
			t.Errorf("item archived at %v is in neither window", it.Archived)
		}
		if it.Archived.Before(d.From) {
			t.Errorf("item archived at %v lies before From", it.Archived)
		}
		if got, ok := objects()[i]["archivedTime"].(string); ok && len(got) == 20 {
			if at, err := time.Parse(time.RFC3339, got); err == nil && !at.Equal(it.Archived) {
				t.Errorf("archivedTime is %v, want %v", at, it.Archived)
			}
		}
	}
	if old < 4 || old > 10 {
		t.Errorf("%d items of 15 to 16 days ago, want a few", old)
	}
}

func TestEveryTextOfTheCollectionIsThere(t *testing.T) {
	all := texts()
	seen := map[string]bool{}
	pieces := map[string][]string{}
	for i, it := range made().Items {
		if !utf8.Valid(it.Raw) || bytes.Contains(it.Raw, []byte("\ufffd")) {
			t.Errorf("trap %q: a character was cut in two", it.Trap)
		}
		o := objects()[i]
		s, _ := o["textContent"].(string)
		seen[s] = true
		if seg, ok := o["segmentedData"].(map[string]any); ok {
			id, n := seg["segmentedId"].(string), int(number(seg["pieceNumber"]))
			if pieces[id] == nil {
				pieces[id] = make([]string, number(seg["totalPieces"]))
			}
			pieces[id][n-1] = s
		}
	}
	for _, p := range pieces {
		seen[strings.Join(p, "")] = true
	}
	for _, want := range all {
		if !seen[want.body] {
			t.Errorf("missing: %q", want.body)
		}
	}
}

// TestTelephoneNumbers looks at every string of every item but ids, times, bytes and the
// collection's own texts, and holds whatever looks like a telephone number to Ofcom's ranges for drama.
func TestTelephoneNumbers(t *testing.T) {
	d := made()
	real := map[string]bool{}
	for _, text := range texts() {
		real[text.body] = true
	}
	looks := regexp.MustCompile(`[+0-9][0-9 ()\-\x{a0}]{5,}[0-9]`)
	allowed := regexp.MustCompile(`^(00|\+)?(44)?0?(7700900|1632960)\d{3}$`)
	dates := regexp.MustCompile(`\d{4}-\d\d-\d\d`)
	count := 0
	check := func(where, s string) {
		for _, n := range looks.FindAllString(dates.ReplaceAllString(s, ""), -1) {
			count++
			if n = strings.NewReplacer(" ", "", "(", "", ")", "", "-", "", "\u00a0",
				"").Replace(n); !allowed.MatchString(n) {
				t.Errorf("%s has the number %s", where, n)
			}
		}
	}
	var walk func(key string, v any, pieces bool)
	walk = func(key string, v any, pieces bool) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				walk(k, e, pieces)
			}
		case []any:
			for _, e := range v {
				walk(key, e, pieces)
			}
		case json.Number:
			if key == "value" || key == "msisdn" {
				t.Errorf("%s is a JSON number", key)
			}
		case string:
			switch key {
			case "messageId", "messageTime", "archivedTime", "startTime", "answerTime", "endTime", "callID",
				"segmentedId", "dialogGroupId", "digest":
			case "content":
				if b, err := base64.StdEncoding.DecodeString(v); err == nil &&
					bytes.HasPrefix(b, []byte("BEGIN:VCARD")) {
					check("a contact card", string(b))
				}
			case "textContent":
				if !real[v] && !pieces && len(v) < 1<<20 {
					check("a text", v)
				}
			default:
				check(key, v)
			}
		}
	}
	for _, o := range objects() {
		_, pieces := o["segmentedData"].(map[string]any) // their texts are the collection's, cut up
		walk("", o, pieces)
	}
	check("the mapping file", string(d.Mapping))
	if count < 2*len(texts()) {
		t.Errorf("only %d numbers found: the test looks in the wrong place", count)
	}
}

func TestMedia(t *testing.T) {
	d := made()
	pictures, sounds, inline := 0, 0, 0
	look := func(mime string, b []byte) {
		switch mime {
		case "image/png", "image/jpeg":
			_, format, err := image.Decode(bytes.NewReader(b))
			if err != nil || "image/"+format != mime {
				t.Errorf("picture is %q, want %s: %v", format, mime, err)
			}
			pictures++
		case "audio/wav":
			checkWAV(t, b)
			sounds++
		}
	}
	for i, it := range d.Items {
		if it.Trap == "wrong digest" || it.Trap == "broken Base64" || strings.HasPrefix(it.Trap, "Base64 ") {
			continue // TestExpect looks at them
		}
		list, _ := objects()[i]["attachment"].([]any)
		for _, a := range list {
			a := a.(map[string]any)
			content, ok := a["content"].(string)
			if !ok {
				continue
			}
			b, err := base64.StdEncoding.DecodeString(content)
			if err != nil {
				t.Errorf("trap %q: %v", it.Trap, err)
			}
			inline += len(b)
			if want, ok := a["digest"].(string); ok && !strings.EqualFold(want, hexSHA256(b)) {
				t.Errorf("trap %q: the digest is not that of the bytes", it.Trap)
			}
			if want, ok := a["attachSize"].(json.Number); ok && it.Trap != "wrong size" && int(number(want)) != len(b) {
				t.Errorf("trap %q: attachSize %v, the bytes are %d", it.Trap, want, len(b))
			}
			mime, _ := a["contentType"].(string)
			look(mime, b)
		}
	}
	var large []int
	for _, c := range d.Contents {
		look(c.Type, c.Data)
		if len(c.Data) > 3<<20 {
			large = append(large, len(c.Data))
		}
	}
	if pictures < 40 || sounds < 20 || inline < 2_000_000 || inline > 5_000_000 {
		t.Errorf("%d pictures, %d recordings, %d bytes inline", pictures, sounds, inline)
	}
	if diff := cmp.Diff([]int{6_000_044, 3_504_044}, large); diff != "" {
		t.Errorf("large recordings: %s", diff)
	}
}

func checkWAV(t *testing.T, b []byte) {
	t.Helper()
	if len(b) == 0 {
		return // a path that never answers with anything
	}
	le := binary.LittleEndian
	switch {
	case string(b[:4]) != "RIFF" || string(b[8:16]) != "WAVEfmt " || string(b[36:40]) != "data":
		t.Error("not a WAV")
	case int(le.Uint32(b[4:])) != len(b)-8 || int(le.Uint32(b[40:])) != len(b)-44:
		t.Errorf("the header says %d and %d, the file has %d bytes", le.Uint32(b[4:]), le.Uint32(b[40:]), len(b))
	case le.Uint16(b[20:]) != 1 || le.Uint32(b[24:]) != 8000 || le.Uint32(b[28:]) != 16000 ||
		bytes.Equal(b[44:48], b[48:52]):
		t.Error("not a tone of 8 kHz in PCM")
	}
}

func TestSecrets(t *testing.T) {
	d := made()
	all := map[string][]string{"texts": d.Texts(), "numbers": d.Numbers(), "addresses": d.Addresses(),
		"names": d.Names(), "ids": d.IDs()}
	for name, want := range map[string]int{"texts": 3500, "numbers": 1400, "addresses": 50, "names": 200, "ids": 45} {
		if len(all[name]) < want {
			t.Errorf("%d %s, want %d or more", len(all[name]), name, want)
		}
		for _, s := range all[name] {
			if len(strings.TrimSpace(s)) < 7 {
				t.Errorf("%s: %q is too short to be searched for", name, s)
			}
		}
	}
	var raw bytes.Buffer
	for _, it := range d.Items {
		raw.Write(bytes.ToLower(it.Raw))
	}
	for _, u := range d.Users {
		for _, a := range append([]string{u.UPN, u.Mail}, u.Proxy...) {
			if !slices.Contains(d.Addresses(), strings.ToLower(a)) {
				t.Errorf("address of %s is not among the secrets", u.DisplayName)
			}
		}
	}
	for _, a := range regexp.MustCompile(`"email":"\s*([^"\s;,']+@[^"\s;,'\\]+)`).FindAllSubmatch(raw.Bytes(), -1) {
		if !slices.Contains(d.Addresses(), string(a[1])) {
			t.Errorf("address %s is not among the secrets", a[1])
		}
	}
}

func decodeAll(d *Day) []map[string]any {
	var all []map[string]any
	for _, it := range d.Items {
		dec := json.NewDecoder(bytes.NewReader(it.Raw))
		dec.UseNumber() // 1e999 is good JSON
		var o map[string]any
		mustWrite(dec.Decode(&o))
		all = append(all, o)
	}
	return all
}

func number(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

func BenchmarkMake(b *testing.B) {
	for b.Loop() {
		Make(end)
	}
}
