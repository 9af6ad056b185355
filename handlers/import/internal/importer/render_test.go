package importer

import (
	"strings"
	"testing"

	"o2archiver/shared/message"
)

func FuzzVisible(f *testing.F) {
	f.Add("nul \x00 and \U0001F600 and \ufffe")
	f.Fuzz(func(t *testing.T, text string) {
		got := ShowControls(text)
		if strings.ContainsFunc(got, message.NotStorable) {
			t.Errorf("a character that is lost is in %q", got)
		}
		if !strings.ContainsFunc(text, message.NotStorable) && got != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
