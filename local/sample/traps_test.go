package sample

import (
	"bytes"
	"regexp"
	"testing"
)

// TestTraps looks for every trap in the items' own bytes, whatever they are called.
func TestTraps(t *testing.T) {
	has := func(pattern string) func([]byte) bool { return regexp.MustCompile(pattern).Match }
	for _, test := range []struct {
		name  string
		found func([]byte) bool
		min   int
	}{
		{"no messageId", func(b []byte) bool { return !bytes.Contains(b, []byte(`"messageId":`)) }, 3},
		{"empty messageId", has(`"messageId":""`), 1},
		{"messageId of the wrong type", has(`"messageId":[0-9\[]`), 2},
		{"messageId with line ends", has(`"messageId":"[^"]*\\r\\n`), 1},
		{"messageTime of the wrong type", has(`"messageTime":\d`), 1},
		{"milliseconds as text", has(`"messageTime":"\d{13}"`), 1},
		{"year 57300", has(`"messageTime":"57300-`), 1},
		{"epoch 0", has(`"messageTime":"1970-01-01`), 1},
		{"no messageTime", func(b []byte) bool { return !bytes.Contains(b, []byte(`"messageTime":`)) }, 2},
		{"messageTime with an offset", has(`"messageTime":"[^"]*[+-]\d\d:\d\d"`), 9},
		{"messageTime with a fraction", has(`"messageTime":"[^"]*\.\d+(Z|[+-])`), 8},
		{"no archivedTime", func(b []byte) bool { return !bytes.Contains(b, []byte(`"archivedTime":`)) }, 3},
		{"impossible time of a call", has(`"startTime":"57300`), 1},
		{"textContent of the wrong type", has(`"textContent":[0-9{]`), 2},
		{"wrong type elsewhere", has(`"subject":42`), 1},
		{"participant as text", has(`"(from|to)":"`), 2},
		{"participants not in a list", has(`"to":\{`), 1},
		{"directions in capitals", has(`"direction":"(IN|OUT)"`), 500},
		{"unknown type", has(`"messageType":"RCS"`), 1},
		{"unknown status", has(`"status":"Queued`), 1},
		{"heartbeat", has(`"messageType":"SYSTEM"`), 25},
		{"number with plus", has(`"value":"\+44\d{10}"`), 1000},
		{"number without plus", has(`"value":"44\d{10}"`), 1000},
		{"number with blanks", has(`"value":"\+44 \d{4} \d{6}"`), 1000},
		{"national number", has(`"value":"0\d{4} \d{6}"`), 50},
		{"number with (0)", has(`"value":"\+44 \(0\)`), 50},
		{"short code", has(`"value":"65000"`), 20},
		{"alphanumeric sender", has(`"value":"HMRC"`), 20},
		{"random group id", has(`"dialogGroupId":"g[0-9a-f]{8}"`), 20},
		{"no subject", func(b []byte) bool { return !bytes.Contains(b, []byte(`"subject":`)) }, 1000},
		{"pieces", has(`"pieceNumber":2,"totalPieces":[3-9]`), 4},
		{"Base64 text", has(`"textContent":"[A-Za-z0-9+/]{40,}={0,2}"`), 1},
		{"lone surrogate", has(`\\ud83d[^\\]`), 2},
		{"NUL", has(`\\u0000`), 3},
		{"escape character", has(`\\u001b`), 1},
		{"isolates", has("\u2068.*\u2069"), 1},
		{"object mark", has("\ufffc"), 1},
		{"joined emoji", has("👩\u200d👩"), 1},
		{"HTML", has(`"contentType":"text/html"`), 1},
		{"header injection in a name", has(`"firstName":"[^"]*\\r\\nBcc:`), 1},
		{"file name that climbs", has(`"name":"\.\./`), 1},
		{"device name", has(`"name":"CON\.txt"`), 1},
		{"foreign contentUrl", has(`"contentUrl":"(https:)?//`), 2},
		{"several addresses", has(`"email":"[^"]*; [^"]*, [^"]*"`), 1},
		{"quote in an address", has(`"email":"sinead\.o'brien@`), 1},
		{"alias", has(`"email":"i\.penrose@`), 1},
		{"over a mebibyte", func(b []byte) bool { return len(b) > 1<<20 }, 2},
		{"text over a request to Graph",
			func(b []byte) bool { return len(b) > 4<<20 && bytes.Contains(b, []byte(`"textContent"`)) }, 1},
		{"over 500 participants", func(b []byte) bool { return bytes.Count(b, []byte(`"value":`)) > 600 }, 1},
		{"white space between the tokens", has("\n\t\"messageId\": "), 1},
	} {
		n := 0
		for _, it := range made().Items {
			if len(it.Raw) < 64<<10 || test.min <= 2 {
				if test.found(it.Raw) {
					n++
				}
			}
		}
		if n < test.min {
			t.Errorf("%s: %d items, want %d or more", test.name, n, test.min)
		}
	}
}
