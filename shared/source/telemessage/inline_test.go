package telemessage

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// drain reads to the end; the only error there may be is the one that says: not valid Base64.
func drain(t *testing.T, r io.Reader) (string, bool) {
	t.Helper()
	data, err := io.ReadAll(r)
	var corrupt base64.CorruptInputError
	if err != nil && !errors.As(err, &corrupt) {
		t.Errorf("error %v", err)
	}
	return string(data), err == nil
}

func TestInlineContent(t *testing.T) {
	t.Parallel()
	tests := []struct {
		content, want string
		bad           bool
	}{
		{`aGVsbG8=`, "hello", false},
		{`aGVsbG8`, "hello", false},
		{`aGVs\r\nbG8=\n`, "hello", false},
		{` aGVs bG8 = `, "hello", false},
		{`+/+/`, "\xfb\xff\xbf", false},
		{`-_-_`, "\xfb\xff\xbf", false},
		{`\u002b\/+/`, "\xfb\xff\xbf", false},
		{`QQ==`, "A", false},
		{`QQ=`, "A", false},
		{`QQ`, "A", false},
		{`=`, "", false},
		{`Q`, "", true},
		{`QUJDQ`, "", true},
		{`QUJD!UJD`, "", true},
		{`QUJD\bUJD`, "", true},
		{`QUJD\u20ac`, "", true},
		{`QUJD€`, "", true},
		{`QQ==QQ==`, "", true},
		{`data:image/png;base64,QUJD`, "ABC", false},
		{`data:image\/png;base64,QUJD`, "ABC", false},
		{`data:,ABC`, "", true},
	}
	for _, tt := range tests {
		raw := []byte(`{"attachment":[null,{"name":"x"},{"content":"` + tt.content + `"}]}`)
		for _, wrap := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader} {
			r, err := InlineContent(raw, 1)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := drain(t, wrap(r))
			if ok == tt.bad || ok && got != tt.want {
				t.Errorf("%s: %q, valid: %v", tt.content, got, ok)
			}
		}
	}
}

func TestInlineContentLarge(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte{0, 1, 2, 0xff, 0xfe}, 1<<16)
	raw, err := json.Marshal(map[string]any{"attachment": []any{map[string]any{"content": want}}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := InlineContent(raw, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := drain(t, r); !ok || got != string(want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
}

func TestInlineContentErrors(t *testing.T) {
	t.Parallel()
	for raw, index := range map[string]int{`[]`: 0, `{`: 0, `{}`: 0, `{"attachment":[{"contentUrl":"/x"}]}`: 0,
		`{"attachment":[{"content":"QQ"}]}`: 1, `{"attachment":[{"content":"Qg"}]}`: -1} {
		if _, err := InlineContent([]byte(raw), index); err == nil {
			t.Errorf("%s, index %d: accepted", raw, index)
		}
	}
}

func FuzzInlineContent(f *testing.F) {
	f.Add([]byte("hello"), "aGVs\nbG8=")
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding,
			base64.RawURLEncoding} {
			raw, err := json.Marshal(map[string]any{"attachment": []any{map[string]any{"attachSize": 0,
				"content": e.EncodeToString(data)}}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := InlineContent(raw, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := drain(t, r); !ok || got != string(data) {
				t.Errorf("%q became %q", data, got)
			}
		}
		raw, err := json.Marshal(map[string]any{"attachment": []any{map[string]any{"content": text}}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := InlineContent(raw, 0); err == nil {
			drain(t, r)
		}
	})
}
