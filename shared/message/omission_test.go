package message

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// The words are in messages that are archived already: an export proves those with the same words.
func TestOmissionReasonsStayTheSame(t *testing.T) {
	got := map[string]string{}
	for name, o := range map[string]Omission{"limit": OverLimit, "cloud": OverCloud, "mailbox": OverMailbox} {
		got[name] = o.Of(record.Attachment{})
		got[name+" by day"] = o.Of(record.Attachment{Day: "2026/11/28"})
	}
	const before, day = "; it is kept in the archive's storage, in the container media under its SHA-256",
		"; it is kept in the archive's storage, in the container media, folder 2026/11/28, under its SHA-256"
	want := map[string]string{
		"limit":          "with it, the item is larger than the limit that is set for one" + before,
		"limit by day":   "with it, the item is larger than the limit that is set for one" + day,
		"cloud":          "this cloud's mailboxes do not take a file of this size" + before,
		"cloud by day":   "this cloud's mailboxes do not take a file of this size" + day,
		"mailbox":        "the mailbox does not take a message of this size" + before,
		"mailbox by day": "the mailbox does not take a message of this size" + day,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
}
