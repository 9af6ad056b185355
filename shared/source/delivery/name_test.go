package delivery

import (
	"strings"
	"testing"
	"time"
)

func TestParseName(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC)
	for name, want := range map[string]Name{
		"202611280000-TeleMessage_1_20261128050012.zip":                  {day, 1, "20261128050012"},
		"202611280000-telemessage_0017_x.ZIP":                            {day, 17, "x"},
		"202611280000-TeleMessage_1_a_b.c-d e.zip":                       {day, 1, "a_b.c-d e"},
		"202613990000-TeleMessage_1_x.zip":                               {time.Time{}, 1, "x"},
		"202611280000-TeleMessage_9223372036854775807_x.zip":             {day, 9223372036854775807, "x"},
		"202611280000-TeleMessage_1_" + strings.Repeat("x", 50) + ".zip": {day, 1, strings.Repeat("x", 50)},
	} {
		if got, ok := ParseName(name); !ok || got != want {
			t.Errorf("%s: %v, %t, want %v", name, got, ok, want)
		}
		if !IsDelivery(name) || IsUnfinished(name) {
			t.Errorf("%s is no delivery", name)
		}
	}
	const whole = "202611280000-TeleMessage_1_20261128050012.zip"
	for _, name := range []string{
		"", ".zip", "sms.zip", "a/" + whole, "../" + whole, `a\` + whole, whole + ".filepart", whole + ".part",
		whole + ".PARTIAL", whole + ".tmp", ".in." + whole + ".", "." + whole, whole + " ", " " + whole, whole + "\n",
		"202611280000-TeleMessage_1_a/b.zip", `202611280000-TeleMessage_1_a\b.zip`, "202611280000-TeleMessage__x.zip",
		"202611280000-TeleMessage_1_.zip", "20261128-TeleMessage_1_x.zip", "202611280000-TeleMessage_-1_x.zip",
		"202611280000-TeleMessage_9223372036854775808_x.zip", "202611280000-TeleMessage_1_x.zip.zip.exe",
		"202611280000-TeleMessage_1_" + strings.Repeat("x", 250) + ".zip",
	} {
		if got, ok := ParseName(name); ok {
			t.Errorf("%q is accepted as %v", name, got)
		}
	}
}

func TestIsUnfinished(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"a.zip": false, "": true, "part": false, "a.part": true, "a.zip.FilePart": true, "a.partial": true,
		"a.tmp": true, ".in.a.zip.": true, ".a": true, "x/.a": true, "a.party": false, "a.tmp.zip": false,
	} {
		if got := IsUnfinished(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

// FuzzParseName looks for a name that is accepted and could lead out of the folder, or is one of an upload under way.
func FuzzParseName(f *testing.F) {
	f.Add("202611280000-TeleMessage_1_20261128050012.zip")
	f.Add("202611280000-telemessage_0017_..zip")
	f.Add(".in.202611280000-TeleMessage_1_x.zip.")
	f.Fuzz(func(t *testing.T, name string) {
		n, ok := ParseName(name)
		if !ok {
			return
		}
		if strings.ContainsAny(name, `/\`) || len(name) > maxName || n.Number < 0 || n.Zipped == "" ||
			IsUnfinished(name) || name[0] < '0' || name[0] > '9' {
			t.Errorf("%q is accepted as %v", name, n)
		}
	})
}

func TestIsZIP(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"export.zip": true, "Export of 2019.ZIP": true, "202611280000-TeleMessage_1_20261128050012.zip": true,
		"a.b.zip": true, strings.Repeat("é", 125) + ".zip": true,
		".zip": false, "export.zip.filepart": false, ".in.export.zip": false, ".export.zip": false,
		"export.tar": false, "zip": false, "export.zip.tmp": false, "": false,
		strings.Repeat("é", 126) + ".zip": false, "export.zipx": false,
	} {
		if got := IsZIP(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}
