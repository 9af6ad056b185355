package client

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"o2archiver/shared/source/telemessage"

	"github.com/google/go-cmp/cmp"
)

// seen is an Item in a form that can be compared.
type seen struct{ Raw, SHA256, Big, Why, Whole, ID string }

// plain is a reader as it is.
func plain(r io.Reader) io.Reader { return r }

func collect(page string, r func(io.Reader) io.Reader) (items []seen, next string, err error) {
	next, err = readPage(bufio.NewReaderSize(r(strings.NewReader(page)), 16), func(it Item) error {
		s := seen{Raw: string(it.Raw), SHA256: it.SHA256, Why: it.Why}
		if it.Big != nil {
			data, err := io.ReadAll(it.Big)
			if err != nil {
				return err
			}
			s.Big, s.ID = string(data), it.ID()
		}
		if it.Whole != nil {
			data, err := io.ReadAll(it.Whole)
			if err != nil {
				return err
			}
			s.Whole = string(data)
		}
		items = append(items, s)
		return nil
	})
	return items, next, err
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func whole1(raw string) seen { return seen{Raw: raw, SHA256: hash(raw)} }

// pruned is nested as it is kept: with null in place of what is too deep, and all of it beside that.
func pruned(levels int) seen {
	raw := `{"a":` + strings.Repeat("[", telemessage.MaxDepth-1) + "null" + strings.Repeat("]",
		telemessage.MaxDepth-1) + `}`
	return seen{Raw: raw, SHA256: hash(nested(levels)), Whole: nested(levels)}
}

func nested(levels int) string {
	return `{"a":` + strings.Repeat("[", levels-1) + strings.Repeat("]", levels-1) + `}`
}

func TestReadPage(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, page string
		items      []seen
		next       string
		bad        bool
	}{
		{name: "last page", page: `{"items":[{"a":1}]}`, items: []seen{whole1(`{"a":1}`)}},
		{name: "empty", page: `{"items":[]}`},
		{name: "empty with next", page: `{"items":[],"next":"c1"}`, next: "c1"},
		{name: "next first", page: `{"next":"c\u0031","items":[{}]}`, items: []seen{whole1(`{}`)}, next: "c1"},
		{name: "next null", page: `{"items":[],"next":null}`},
		{name: "white space", page: " {\n\"items\" :\t[ { \"a\" : [ 1 , \"x y\" ] } , {} ] , \"next\" : \"n\" }\r\n ",
			items: []seen{{Raw: `{"a":[1,"x y"]}`, SHA256: hash(`{ "a" : [ 1 , "x y" ] }`)}, whole1(`{}`)}, next: "n"},
		{name: "unknown members", page: `{"v":[1,{"items":[2]}],"items":[{}],"next":"n","z":null}`,
			items: []seen{whole1(`{}`)}, next: "n"},
		{name: "brackets and quotes in a text", page: `{"items":[{"a":"]}\"\\"},{"b":"\\\""}]}`,
			items: []seen{whole1(`{"a":"]}\"\\"}`), whole1(`{"b":"\\\""}`)}},
		{name: "no objects", page: `{"items":[1,"x",null,[2], true ]}`,
			items: []seen{whole1("1"), whole1(`"x"`), whole1("null"), whole1("[2]"), whole1("true")}},
		{name: "broken item, whole page", page: `{"items":[{"a":1},{"a" 1 2},{"b":2}]}`,
			items: []seen{whole1(`{"a":1}`), {Big: `{"a" 1 2}`, Why: "it is not valid JSON"}, whole1(`{"b":2}`)}},
		{name: "control character in a text", page: "{\"items\":[{\"a\":\"\x00\"}]}",
			items: []seen{{Big: "{\"a\":\"\x00\"}", Why: "it is not valid JSON"}}},
		{name: "a word that is none", page: `{"items":[NaN]}`,
			items: []seen{{Big: "NaN", Why: "it is not valid JSON"}}},
		{name: "65 levels", page: `{"items":[` + nested(65) + `]}`, items: []seen{whole1(nested(65))}},
		{name: "1000 levels", page: `{"items":[` + nested(1000) + `]}`, items: []seen{whole1(nested(1000))}},
		{name: "1001 levels", page: `{"items":[` + nested(1001) + `,{}]}`, items: []seen{pruned(1001), whole1(`{}`)}},
		{name: "million levels", page: `{"items":[` + nested(1_000_000) + `,{}]}`,
			items: []seen{pruned(1_000_000), whole1(`{}`)}},
		{name: "invalid UTF-8 stays", page: "{\"items\":[{\"a\":\"\xff\"}]}",
			items: []seen{whole1("{\"a\":\"\xff\"}")}},

		{name: "nothing", page: ``, bad: true},
		{name: "HTML", page: `<!DOCTYPE html>`, bad: true},
		{name: "an array", page: `[{"items":[]}]`, bad: true},
		{name: "no items", page: `{}`, bad: true},
		{name: "an error object", page: `{"error":"maintenance"}`, bad: true},
		{name: "items null", page: `{"items":null}`, bad: true},
		{name: "items an object", page: `{"items":{}}`, bad: true},
		{name: "items a text", page: `{"items":"[]"}`, bad: true},
		{name: "items twice", page: `{"items":[],"items":[]}`, bad: true},
		{name: "next twice", page: `{"items":[],"next":"a","next":"b"}`, bad: true},
		{name: "next a number", page: `{"items":[],"next":7}`, bad: true},
		{name: "next an object", page: `{"items":[],"next":{}}`, bad: true},
		{name: "next endless", page: `{"items":[],"next":"` + strings.Repeat("x", 6*maxCursor) + `"}`, bad: true},
		{name: "next of 2 KiB", page: `{"items":[],"next":"` + strings.Repeat("x", maxCursor) + `"}`,
			next: strings.Repeat("x", maxCursor)},
		{name: "next of more than 2 KiB", page: `{"items":[],"next":"` + strings.Repeat("x", maxCursor+1) + `"}`,
			bad: true},
		{name: "next with control characters", page: `{"items":[],"next":"a\u0000b"}`, bad: true},
		{name: "comma at the end", page: `{"items":[1,]}`, items: []seen{whole1("1")}, bad: true},
		{name: "no comma", page: `{"items":[{}{}]}`, items: []seen{whole1("{}")}, bad: true},
		{name: "comma alone", page: `{"items":[,]}`, bad: true},
		{name: "name no text", page: `{1:2,"items":[]}`, bad: true},
		{name: "cut off in an item", page: `{"items":[{"a":1},{"b":`, items: []seen{whole1(`{"a":1}`)}, bad: true},
		{name: "cut off after an item", page: `{"items":[{"a":1}`, items: []seen{whole1(`{"a":1}`)}, bad: true},
		{name: "cut off after the list", page: `{"items":[{"a":1}]`, items: []seen{whole1(`{"a":1}`)}, bad: true},
		{name: "cut off in next", page: `{"items":[],"next":"abc`, bad: true},
		{name: "something after the end", page: `{"items":[]}{"items":[1]}`, bad: true},
		{name: "unknown member too large", page: `{"z":"` + strings.Repeat("x", maxOther) + `","items":[]}`, bad: true},
		{name: "endless white space", page: `{` + strings.Repeat(" ", maxOther+1) + `"items":[]}`, bad: true},
		{name: "too many members", page: `{` + strings.Repeat(`"a":1,`, maxMembers) + `"items":[]}`, bad: true},
	}
	readers := map[string]func(io.Reader) io.Reader{
		"at once": func(r io.Reader) io.Reader {
			return r
		}, "byte by byte": iotest.OneByteReader, "data with EOF": iotest.DataErrReader,
	}
	for _, tt := range tests {
		for how, reader := range readers {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				t.Parallel()
				items, next, err := collect(tt.page, reader)
				if tt.bad != errors.Is(err, ErrUnavailable) || tt.bad != (err != nil) {
					t.Fatalf("error = %v, want one: %v", err, tt.bad)
				}
				if err == nil && next != tt.next {
					t.Errorf("next = %q, want %q", next, tt.next)
				}
				if diff := cmp.Diff(tt.items, items); diff != "" {
					t.Errorf("items (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestReadPageTooManyItems(t *testing.T) {
	t.Parallel()
	page := `{"items":[` + strings.Repeat("1,", maxPageItems) + `1]}`
	items, _, err := collect(page, func(r io.Reader) io.Reader { return r })
	if !errors.Is(err, ErrUnavailable) || len(items) != maxPageItems {
		t.Errorf("%d items and error %v", len(items), err)
	}
}

func TestReadPageSizes(t *testing.T) {
	t.Parallel()
	sized := func(n int) string { return `{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}` }
	for _, tt := range []struct {
		name string
		size int
		big  bool
	}{{"as large as may be", maxItem, false}, {"one byte more", maxItem + 1, true}, {"far more", maxItem + 1<<20,
		true}} {
		t.Run(tt.name, func(t *testing.T) {
			item := sized(tt.size)
			for _, read := range []bool{true, false} { // whether each reads Big or not, the page goes on
				if read != (tt.size == maxItem+1) && (slow || !tt.big) {
					continue
				}
				var got []int
				next, err := readPage(bufio.NewReader(strings.NewReader(`{"items":[`+item+`,{}],"next":"n"}`)),
					func(it Item) error {
						n := len(it.Raw)
						if it.Big != nil && read {
							h := sha256.New()
							m, err := io.Copy(h, it.Big)
							if err != nil || hex.EncodeToString(h.Sum(nil)) != hash(item) {
								t.Errorf("the bytes differ, or %v", err)
							}
							n = int(-m)
						}
						got = append(got, n)
						return nil
					})
				first := tt.size
				if tt.big {
					first = 0
					if read {
						first = -tt.size
					}
				}
				if diff := cmp.Diff([]int{first, 2}, got); diff != "" || next != "n" || err != nil {
					t.Errorf("sizes (-want +got):\n%s next %q error %v", diff, next, err)
				}
			}
		})
	}
}

func TestReadPageCutOffInBigItem(t *testing.T) {
	t.Parallel()
	page := `{"items":[` + nested(100)[:150]
	for _, swallow := range []bool{true, false} {
		_, err := readPage(bufio.NewReader(strings.NewReader(page)), func(it Item) error {
			_, err := io.Copy(io.Discard, it.Big)
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("Big ends with %v", err)
			}
			if swallow {
				return nil
			}
			return err
		})
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("the page ends with %v", err)
		}
	}
}

func TestReadPageStopsAtCallersError(t *testing.T) {
	t.Parallel()
	stop := errors.New("stop")
	n := 0
	_, err := readPage(bufio.NewReader(strings.NewReader(`{"items":[1,2,3]}`)), func(Item) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("error %v after %d items", err, n)
	}
}

// repeated is a page that is made while it is read.
type repeated struct {
	item []byte // and a comma
	left int    // items still to come, the one that is being read left out
	part *bytes.Reader
}

func (r *repeated) Read(p []byte) (int, error) {
	for {
		n, err := r.part.Read(p)
		if err == nil || r.left < 0 {
			return n, err
		}
		switch r.left--; {
		case r.left > 0:
			r.part.Reset(r.item)
		case r.left == 0:
			r.part.Reset(append(bytes.TrimSuffix(r.item, []byte(",")), "]}"...))
		}
	}
}

// A page may have 1000 items of 1 MiB and more; what it costs must be a few megabytes, however many there are.
func TestReadPageMemory(t *testing.T) {
	items := 300
	if slow {
		items = 30
	}
	item := []byte(`{"messageId":"m","attachment":[{"content":"` + strings.Repeat("QUJD", 1<<18) + `"}]},`)
	page := &repeated{item: item, left: items, part: bytes.NewReader([]byte(`{"items":[`))}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := 0
	var most uint64
	_, err := readPage(bufio.NewReaderSize(page, 64<<10), func(it Item) error {
		if n++; len(it.Raw) != len(item)-1 {
			t.Fatalf("item %d has %d bytes", n, len(it.Raw))
		}
		if n%10 == 0 {
			runtime.GC() // what is left after it is what is held
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
		return nil
	})
	if err != nil || n != items {
		t.Fatalf("%d items, error %v", n, err)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 12<<20 {
		t.Errorf("a page of %d items of 1 MiB holds %d bytes", items, grown)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`{"items":[{"a":1}, {"b":[2]}],"next":"c"}`), uint8(16))
	f.Add([]byte(`{"next":null,"items":["\"]",1.5e3,{"a" 1}]} `), uint8(1))
	f.Fuzz(func(t *testing.T, page []byte, buffer uint8) {
		var got []json.RawMessage
		broken := false
		next, err := readPage(bufio.NewReaderSize(bytes.NewReader(page), int(buffer)), func(it Item) error {
			if it.Big != nil {
				broken = true
				_, err := io.Copy(io.Discard, it.Big)
				return err
			}
			got = append(got, it.Raw)
			return nil
		})
		if err != nil {
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if broken {
			return
		}
		// What is taken for a page is one to encoding/json too, and holds the same.
		var want struct {
			Items []json.RawMessage `json:"items"`
			Next  *string           `json:"next"`
		}
		var names map[string]json.RawMessage
		if err := json.Unmarshal(page, &names); err != nil {
			t.Fatalf("no valid JSON was taken for a page: %v", err)
		}
		if err := json.Unmarshal(names["items"], &want.Items); err != nil {
			t.Fatal(err)
		}
		if raw, ok := names["next"]; ok {
			if err := json.Unmarshal(raw, &want.Next); err != nil {
				t.Fatal(err)
			}
		}
		if want.Next != nil && *want.Next != next || want.Next == nil && next != "" {
			t.Errorf("next = %q", next)
		}
		if len(want.Items) != len(got) {
			t.Fatalf("%d items, want %d", len(got), len(want.Items))
		}
		for i, w := range want.Items {
			var c bytes.Buffer
			if err := json.Compact(&c, w); err != nil {
				t.Fatal(err)
			}
			if c.String() != string(got[i]) {
				t.Errorf("item %d differs", i)
			}
		}
	})
}
