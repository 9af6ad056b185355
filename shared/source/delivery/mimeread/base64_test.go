package mimeread

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

// decodeSlowly decodes as RFC 2045 section 6.8 says, one character after the other.
func decodeSlowly(text string) (out []byte) {
	quantum := ""
	flush := func() {
		whole, err := base64.RawStdEncoding.DecodeString(quantum[:len(quantum)-len(quantum)%4])
		if rest := quantum[len(quantum)-len(quantum)%4:]; len(rest) > 1 {
			last, _ := base64.StdEncoding.DecodeString(rest + strings.Repeat("A", 4-len(rest)))
			whole = append(whole, last[:len(rest)-1]...)
		}
		if err == nil {
			out = append(out, whole...)
		}
		quantum = ""
	}
	for _, c := range []byte(text) {
		switch {
		case c == '=':
			flush()
		case strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", c) >= 0:
			quantum += string(c)
		}
	}
	flush()
	return out
}

// What is decoded together is what is decoded character by character, wherever a read or a line ends.
func TestBase64InWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var text strings.Builder
		for range rng.IntN(5000) {
			switch rng.IntN(40) {
			case 0:
				text.WriteString("\r\n")
			case 1:
				text.WriteByte("=*\x00\xff-"[rng.IntN(5)])
			default:
				text.WriteByte("AZaz09+/Qw"[rng.IntN(10)])
			}
		}
		want := decodeSlowly(text.String())
		for name, in := range map[string]io.Reader{
			"whole":       strings.NewReader(text.String()),
			"half":        iotest.HalfReader(strings.NewReader(text.String())),
			"one by one":  iotest.OneByteReader(strings.NewReader(text.String())),
			"end at once": iotest.DataErrReader(strings.NewReader(text.String())),
		} {
			got, err := io.ReadAll(newBase64Reader(in))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s: %d bytes, %v, want %d", name, len(got), err, len(want))
			}
		}
	}
}
