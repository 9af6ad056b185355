package message

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/record"
)

func TestRingAndTalk(t *testing.T) {
	const at, later, end = "2026-11-22T09:30:00Z", "2026-11-22T10:30:05+01:00", "2026-11-22T09:31:08Z"
	for name, c := range map[string]struct {
		call       record.Call
		ring, talk time.Duration
	}{
		"answered": {record.Call{Start: at, Answer: later, End: end}, 5 * time.Second,
			63 * time.Second},
		"never answered":             {record.Call{Start: at, End: end}, 68 * time.Second, 0},
		"answered, nobody says when": {record.Call{Start: at, End: end, Status: "ANSWERED"}, 0, 0},
		"not answered":               {record.Call{Start: at, End: end, Status: "Not answered"}, 68 * time.Second, 0},
		"no answer time":             {record.Call{Start: at, End: end, Duration: time.Minute}, 0, 0},
		"no end":                     {record.Call{Start: at, Answer: later}, 5 * time.Second, 0},
		"backwards":                  {record.Call{Start: end, Answer: later, End: at}, 0, 0},
		"over a day": {record.Call{Start: "2026-11-20T09:30:00Z", Answer: at, End: end}, 0,
			68 * time.Second},
		"impossible": {record.Call{Start: "0", Answer: "57300-01-01T00:00:00Z", End: "1763803868000"},
			0, 0},
		"before the 2000": {record.Call{Start: "1970-01-01T00:00:00Z", Answer: "1970-01-01T00:00:09Z"}, 0,
			0},
		"nothing": {},
	} {
		if ring, talk := ringAndTalk(&record.Record{Call: &c.call, Status: "Delivered"}); ring != c.ring ||
			talk != c.talk {
			t.Errorf("%s: ring %v, talk %v, want %v and %v", name, ring, talk, c.ring, c.talk)
		}
	}
}

func TestCallInPlainWords(t *testing.T) {
	call := func(kind record.Kind, status string, d time.Duration) string {
		return string(appendCall(nil,
			&record.Record{Kind: kind, Status: "Delivered", Call: &record.Call{Status: status, Duration: d}}))
	}
	for want, got := range map[string]string{
		"Call, 1 min 3 s, answered": call(record.CallLog, "Answered", 63*time.Second),
		"Call, missed":              call(record.CallLog, "MISSED", 0),
		"Call, rejected":            call(record.CallLog, "Rejected", 0),
		"Call, no answer":           call(record.CallLog, "NO_ANSWER", 0),
		"Call with recording, 1 h, a⟦U+000D⟧⟦U+000A⟧b": call(record.CallAudio, "a\r\nb", time.Hour),
		"Call, delivered": call(record.CallLog, "", -time.Hour),
		"Call":            string(appendCall(nil, &record.Record{Kind: record.CallLog})),
	} {
		if got != want+"\r\n\r\n" {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A thread index is one that Exchange reads: MS-OXOMSG section 2.2.1.3.
func TestThread(t *testing.T) {
	r := shortText()
	answer := shortText()
	answer.From, answer.To = r.To[0], []record.Participant{r.From}
	answer.From.FirstName, answer.Owner, answer.Time = "Samuel", "07700 900456", r.Time.Add(time.Hour)
	a, b := participantsOf(r, Options{Region: "GB", Numbers: NewNumberCache()}), participantsOf(answer,
		Options{Region: "GB", Numbers: NewNumberCache()})
	if a.threadTopic() != b.threadTopic() || !strings.Contains(a.threadTopic(), "+447700900123, +447700900456") {
		t.Errorf("topics %q and %q", a.threadTopic(), b.threadTopic())
	}
	index := func(c *participants, r *record.Record) []byte {
		raw, err := base64.StdEncoding.DecodeString(c.threadIndex(r.Time))
		if err != nil || len(raw) != 22 || raw[0] != 1 || hex.EncodeToString(raw[6:]) != c.conversation[:32] {
			t.Fatalf("index % x, %v", raw, err)
		}
		return raw
	}
	first, second := index(a, r), index(b, answer)
	if string(first[:6]) >= string(second[:6]) {
		t.Errorf("the later message isn't behind the earlier: % x, % x", first[:6], second[:6])
	}
	var ticks uint64 // of FILETIME: 100 ns from 1601
	for _, c := range first[1:6] {
		ticks = ticks<<8 | uint64(c)
	}
	began := time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	if got := time.Unix(began+int64(ticks<<24/10_000_000), 0); r.Time.Sub(got) < 0 || r.Time.Sub(got) > 2*time.Second {
		t.Errorf("the index's time is %v, want %v", got, r.Time)
	}
}

func TestNumbersAreFoundInEverySpelling(t *testing.T) {
	for _, given := range []string{"+447700900123", "07700 900123", "447700900123", "0044 7700 900123"} {
		r := shortText()
		r.From.Value, r.Owner = given, ""
		text, _ := appendText(nil, r, participantsOf(r, Options{Region: "GB", Numbers: NewNumberCache()}), nil)
		for _, spelling := range []string{"+447700900123", "07700 900123", "07700900123", " 447700900123",
			"+44 7700 900123", given} {
			if !strings.Contains(string(text), spelling) {
				t.Errorf("given as %s, not found as %s", given, spelling)
			}
		}
	}
}

// Two who keep their numbers back, or are not named at all, are not taken for one. Two owners' archives of one message
// are one conversation.
func TestUnknownCallersAreNotJoined(t *testing.T) {
	conversation := func(id, from string) string {
		r := &record.Record{ID: id, Owner: "447700900123", From: record.Participant{Value: from},
			To: []record.Participant{{Value: "07700 900123"}}}
		return participantsOf(r, Options{Region: "GB", Numbers: NewNumberCache()}).conversation
	}
	seen := map[string]bool{}
	for _, from := range []string{"", " ", "Withheld", "withheld", "UNKNOWN", "Private Number", "+447700900456",
		"HMRC"} {
		one, two := conversation("m1", from), conversation("m2", from)
		if known := from == "+447700900456" || from == "HMRC"; (one == two) != known {
			t.Errorf("two messages of %q: %s and %s", from, one, two)
		}
		if one != conversation("m1", from) || one == "" {
			t.Errorf("the conversation of %q is %q, and not always", from, one)
		}
		seen[one] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d conversations, want that of the message and two others", len(seen))
	}
}
