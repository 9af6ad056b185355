package message

import (
	"strings"
	"testing"

	"o2archiver/shared/record"
)

// Participants of a message of another archive have no numbers, so that it is not known whose the stated number is.
func TestMessageOfAnotherArchive(t *testing.T) {
	r := shortText()
	r.Source, r.Mail, r.Kind, r.Direction = record.GenericEML, true, record.Message, ""
	r.From.Value, r.To[0].Value = "", ""
	got := string(build(t, r, Options{Region: "GB"}, nil))
	for _, want := range []string{
		"Subject: Message from Jane Doe to Sam Lee\r\n",
		"Owner of the archived phone: +447700900123, which participant that is, is not stated",
		"Numbers, for search: ",
	} {
		if !strings.Contains(strings.ReplaceAll(got, "=\r\n", ""), want) {
			t.Errorf("it does not have %q:\n%s", want, got)
		}
	}
}
