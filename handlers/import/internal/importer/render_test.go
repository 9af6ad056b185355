package importer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/message"
)

// Characters that a mailbox does not store are shown as their numbers in the subject and in the text. The whole text,
// which becomes a file if it is long, keeps them.
func TestControlsAreShown(t *testing.T) {
	t.Parallel()
	type seen struct{ Subject, Text, Whole string }
	m := forMailbox(&message.Parsed{Subject: "a\x07b", Text: "c\x00d"}, "key", Form{})
	want := seen{Subject: "a⟦U+0007⟧b", Text: "c⟦U+0000⟧d", Whole: "c\x00d"}
	if diff := cmp.Diff(want, seen{m.Subject, m.Text, m.Whole}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

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
