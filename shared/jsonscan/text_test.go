package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUnescape(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`""`: "", `"a\"\\\/\b\f\n\r\t"`: "a\"\\/\b\f\n\r\t", `"\u00e9\u20AC"`: "é€",
		`"\ud83d\ude00"`: "😀", `"\ud83d"`: "⟦U+D83D⟧", `"\ude00\ud83d"`: "⟦U+DE00⟧⟦U+D83D⟧",
		`"\ud83d\ud83d\ude00"`: "⟦U+D83D⟧😀",
		`"\ud83dx\ude00"`:      "⟦U+D83D⟧x⟦U+DE00⟧", `"\ud83d\u0041"`: "⟦U+D83D⟧A", `"\udbff\udfff"`: "\U0010FFFF",
		`"\u0000"`:                     "\x00",
		"\"\xed\xa0\xbd\xed\xb8\x80\"": "😀", "\"\xed\xa0\xbd\"": "⟦U+D83D⟧", "\"\xed\xa0\"": "⟦byte EDA0⟧",
		"\"\xf0\x9f\\ude00\"": "⟦byte F09F⟧⟦U+DE00⟧", `"�"`: "�", `"👨‍👩‍👧"`: "👨‍👩‍👧",
	} {
		if got := MarkInvalid(UnescapeString([]byte(raw))); got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

func FuzzUnescape(f *testing.F) {
	f.Add([]byte(`"a\ud83d\ude00\n"`))
	f.Add([]byte("\"\xed\xa0\xbd\xff\""))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 2 || raw[0] != '"' || !json.Valid(raw) || raw[len(raw)-1] != '"' {
			return
		}
		got := MarkInvalid(UnescapeString(raw))
		if !utf8.ValidString(got) {
			t.Errorf("%q gives invalid UTF-8 %q", raw, got)
		}
		var want string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if !strings.ContainsRune(want, utf8.RuneError) && got != want {
			t.Errorf("%q gives %q, want %q", raw, got, want)
		}
	})
}
