package mimeread

import (
	"fmt"
	"mime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestToken(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"": "", " Base64 ": "base64", "base64;": "base64", "\"base64\"": "base64", "base64 (x)": "base64",
		"(x) (y)base64": "base64", "(base64": "", "8bit,": "8bit", "\"": "", "attachment; filename=x": "attachment",
	} {
		if got := Token(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

// A parameter in UTF-8 is what the standard library makes of it.
func TestExtendedAsTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, field := range []string{
		"attachment; name*=utf-8''caf%C3%A9", "attachment; name*=UTF-8'en'a%20b; x=y",
		"attachment; name=a; name*=utf-8''b",
		"attachment; name*0*=utf-8''%e2%82; name*1*=%ac; name*2=\"; c\"", "attachment; name*0=a; name*1=b",
		"attachment; name*1=b; name*0=a", "attachment; name*=us-ascii''a%2a", "attachment; name=\"a*b\\\"\"",
		"attachment; NAME*=utf-8''a", "attachment; name*0=a; name*2=c", "attachment; name*=utf-8''it's",
	} {
		_, params, err := mime.ParseMediaType(field)
		if err != nil || params["name"] == "" {
			t.Fatalf("%s: %v", field, err)
		}
		if got := paramOf(field, "name", nil); got != params["name"] {
			t.Errorf("%s: %q, want %q", field, got, params["name"])
		}
	}
}

func TestBoundaryInPieces(t *testing.T) {
	t.Parallel()
	_, got := readAll(t, strings.NewReader("Content-Type: multipart/mixed; x=1; x=2; "+
		"boundary*0=ab; boundary*1=c\r\n\r\n--abc\r\n\r\nx\r\n--abc--"), nil)
	if diff := cmp.Diff([]leaf{{"text/plain", "x", 1}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseParams(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"": {}, ";;=x; y": {}, "a=1; A=2": {"a": "1"}, "a=\"1; 2\"; b=3": {"a": "1; 2", "b": "3"},
		"a=\"\\\"\"": {"a": ""}, "a=\"1; b=2": {"a": "1", "b": "2"},
		"a=\"1; b=2 \\\"; c=3": {"a": "1", "b": "2 \\", "c": "3"},
	} {
		if diff := cmp.Diff(want, ParseParams(text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

// A field of 1 MiB is read within the test's time, which would not be enough if the time grew with the square of its
// length. A name has a limited number of pieces.
func TestHostileParams(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"\"; \\", "\\\"; ", "a*1*=x; ", "; ", "a=\"", "''%", "%"} {
		text := "attachment; name*0*=" + strings.Repeat(of, 1<<20/len(of))
		if got := paramOf(text, "name", nil); len(got) > len(text) {
			t.Errorf("%q: %d bytes", of, len(got))
		}
	}
	pieces := map[string]string{}
	for n := range maxPieces + 10 {
		pieces[fmt.Sprintf("name*%d", n)] = "x"
	}
	if _, text, ok := extendedParam(pieces, "name"); len(text) != maxPieces || !ok {
		t.Errorf("%d pieces", len(text))
	}
}
