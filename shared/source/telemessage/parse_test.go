package telemessage

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
)

// entry is a batch's entry with these items.
func entry(raws ...string) record.Entry {
	e := record.Entry{Version: 1}
	for _, raw := range raws {
		e.Items = append(e.Items, record.Item{SHA256: hash(raw), Raw: json.RawMessage(raw)})
	}
	return e
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func TestParseFull(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	e := entry(string(raw))
	e.Media = []record.Media{{SHA256: "5d41", Size: 5}, {Size: 7, Gone: "status 404"}}
	got, err := Parse(e)
	if err != nil {
		t.Fatal(err)
	}
	want := &record.Record{
		ID: "O2-8f1c", Kind: record.MMS, Network: "O2", Owner: "447700900123",
		Time: time.Date(2026, 11, 22, 8, 30, 0, 250e6, time.UTC), TimeText: "2026-11-22T09:30:00.25+01:00",
		Archived: time.Date(2026, 11, 22, 10, 2, 11, 0, time.UTC), ArchivedText: "2026-11-22T10:02:11Z",
		Direction: "OUT", Status: "Delivered",
		From: record.Participant{Value: "+447700900123", FirstName: "Jane", LastName: "Doe",
			Emails: []string{"jane@contoso.com", "j.doe@contoso.com", "jd@contoso.com"}},
		To:           []record.Participant{{Value: "07700 900456"}, {Value: "HMRC"}, {}},
		GroupMessage: true, GroupID: "g1", GroupName: "Ops",
		Subject: "Hi", Text: "one\x00two 😀 ⟦U+D83D⟧! \u2068x\u2069", ContentType: "text/plain",
		Attachments: []record.Attachment{
			{Name: "photo.jpg", Type: "image/jpeg", Size: 5, SHA256: "5d41", Digest: "ABCD"},
			{Name: "film.mp4", Type: "video/mp4", Size: 7_000_000, Gone: "status 404", Digest: "CDEF"},
		},
		Call: &record.Call{ID: "c1", Status: "Answered", Start: "57300-01-01T00:00:00Z", Answer: "1700000000000",
			Duration: 63 * time.Second},
		SHA256: hash(string(raw)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

const (
	id   = `"messageId":"m1",`
	when = `"messageTime":"2026-11-22T09:30:00Z"`
)

// Each fault names its field, never its content.
func TestParseFaults(t *testing.T) {
	t.Parallel()
	archived := `,"archivedTime":"2026-11-22T10:00:00Z"`
	tests := []struct{ name, raw, field string }{
		{"nothing", ``, "item"},
		{"no JSON", `{"secret"`, "item"},
		{"two values", `{}{}`, "item"},
		{"an array", `[{"messageId":"secret"}]`, "item"},
		{"null", `null`, "item"},
		{"a text", `"secret"`, "item"},
		{"no time", `{"messageId":"secret"}`, "messageTime"},
		{"time null", `{"messageId":"secret","messageTime":null}`, "messageTime"},
		{"time empty", `{"messageTime":""}`, "messageTime"},
		{"id a number", `{"messageId":7,` + when + `}`, "messageId"},
		{"id an object", `{"messageId":{"secret":1},` + when + `}`, "messageId"},
		{"text a list", `{` + id + when + `,"textContent":["secret"]}`, "textContent"},
		{"text a number", `{` + id + when + `,"textContent":1}`, "textContent"},
		{"text true", `{` + id + when + `,"textContent":true}`, "textContent"},
		{"time a number", `{` + id + `"messageTime":1763803800000}`, "messageTime"},
		{"milliseconds as text", `{` + id + `"messageTime":"1763803800000"}`, "messageTime"},
		{"year 57300", `{` + id + `"messageTime":"57300-01-01T00:00:00Z"}`, "messageTime"},
		{"epoch 0", `{` + id + `"messageTime":"1970-01-01T00:00:00Z"}`, "messageTime"},
		{"year 0", `{` + id + `"messageTime":"0000-01-01T00:00:00Z"}`, "messageTime"},
		{"year 1", `{` + id + `"messageTime":"0001-01-01T00:00:00Z"}`, "messageTime"},
		{"before 2000", `{` + id + `"messageTime":"1999-12-31T23:59:59Z"}`, "messageTime"},
		{"no offset", `{` + id + `"messageTime":"2026-11-22T09:30:00"}`, "messageTime"},
		{"no T", `{` + id + `"messageTime":"2026-11-22 09:30:00Z"}`, "messageTime"},
		{"a day", `{` + id + `"messageTime":"2026-11-22"}`, "messageTime"},
		{"impossible day", `{` + id + `"messageTime":"2026-02-30T09:30:00Z"}`, "messageTime"},
		{"hour of one digit", `{` + id + `"messageTime":"2026-11-22T9:30:00Z"}`, "messageTime"},
		{"comma", `{` + id + `"messageTime":"2026-11-22T09:30:00,5Z"}`, "messageTime"},
		{"offset of 99 hours", `{` + id + `"messageTime":"2026-11-22T09:30:00+99:00"}`, "messageTime"},
		{"second 60 at noon", `{` + id + `"messageTime":"2026-11-22T12:00:60Z"}`, "messageTime"},
		{"more than a day after archivedTime", `{` + id + `"messageTime":"2026-11-23T10:00:01Z"` + archived + `}`,
			"messageTime"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(entry(tt.raw))
			var fault *record.Fault
			if !errors.As(err, &fault) || fault.Field != tt.field {
				t.Fatalf("error = %v, want a fault of %s", err, tt.field)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error repeats content: %v", err)
			}
		})
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		"2026-11-22T09:30:00Z":                time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		"2026-11-22t09:30:00z":                time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		"2026-11-22T09:30:00.123456789-11:30": time.Date(2026, 11, 22, 21, 0, 0, 123456789, time.UTC),
		"2026-11-22T09:30:00.1234567891234Z":  time.Date(2026, 11, 22, 9, 30, 0, 123456789, time.UTC),
		"2026-11-22T09:30:00-00:00":           time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		"2016-12-31T23:59:60Z":                time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
		"2016-12-31T18:59:60.5-05:00":         time.Date(2017, 1, 1, 0, 0, 0, 5e8, time.UTC),
		"2000-01-01T00:00:00Z":                time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		r, err := Parse(entry(`{"messageTime":"` + text + `"}`))
		if err != nil || !r.Time.Equal(want) || r.TimeText != text {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	base := func(change func(*record.Record)) *record.Record {
		r := &record.Record{ID: "m1", Time: at, TimeText: "2026-11-22T09:30:00Z"}
		change(r)
		return r
	}
	tests := []struct {
		name, raw string
		want      *record.Record
	}{
		{"least of all", `{` + when + `}`,
			base(func(r *record.Record) { r.Derived, r.ID = true, "sha256:"+hash(`{`+when+`}`) })},
		{"id of nothing but blanks", `{"messageId":" ",` + when + `}`,
			base(func(r *record.Record) { r.Derived, r.ID = true, "sha256:"+hash(`{"messageId":" ",`+when+`}`) })},
		{"everything null", `{` + id + when +
			`,"textContent":null,"messageType":null,"from":null,"to":null,"groupMessage":null,"attachment":null,` +
			`"callInfo":null,"segmentedData":null,"archivedTime":null,"subject":null}`,
			base(func(*record.Record) {})},
		{"everything of a wrong type",
			`{` + id + when + `,"messageType":1,"network":[],"msisdn":447700900123,"archivedTime":1,"direction":{},
			"status":true,"from":"x","to":{"value":"x"},"groupMessage":"true","dialogGroupId":1,"dialogGroupName":2,
			"subject":3,"contentType":4,"attachment":"x","callInfo":[],"segmentedData":1}`,
			base(func(r *record.Record) {
				r.LeftOut = []string{"messageType", "network", "msisdn", "archivedTime", "direction", "status", "from",
					"to", "groupMessage",
					"dialogGroupId", "dialogGroupName", "subject", "contentType", "attachment", "callInfo",
					"segmentedData"}
			})},
		{"wrong types inside",
			`{` + id + when + `,"from":{"value":1,"email":["a@b"],"fullName":"Jane"},
			"to":["x",{"value":"07700 900456","fullName":{"firstName":1,"lastName":"Doe"}},null],
			"attachment":[7,{"name":1,"contentType":2,"attachSize":"5","digest":3,"content":4,"contentUrl":5}],
			"callInfo":{"callID":1,"callStatus":2,"startTime":true,"callDurationInMillis":"63000"},
			"segmentedData":{"segmentedId":1,"pieceNumber":"1","totalPieces":2.5}}`,
			base(func(r *record.Record) {
				r.To = []record.Participant{{Value: "07700 900456", LastName: "Doe"}}
				r.Attachments = []record.Attachment{{Gone: "it was not stored"}}
				r.Call = &record.Call{}
				r.LeftOut = []string{"from.value", "from.email", "from.fullName", "to[0]", "to[1].fullName.firstName",
					"attachment[0]", "attachment[1].name",
					"attachment[1].contentType", "attachment[1].attachSize", "attachment[1].digest",
					"attachment[1].content", "attachment[1].contentUrl",
					"callInfo.callID", "callInfo.callStatus", "callInfo.startTime", "callInfo.callDurationInMillis",
					"segmentedData.segmentedId", "segmentedData.pieceNumber", "segmentedData.totalPieces"}
			})},
		{"unknown values as given",
			`{` + id + when + `,"messageType":" rcs ","direction":"Sideways","status":"Pondered"}`,
			base(func(r *record.Record) { r.Kind, r.Direction, r.Status = "RCS", "Sideways", "Pondered" })},
		{"text kept to the letter", `{` + id + when + `,"textContent":"  U2FsdGVkX1+a=\r\n<b>\u0001\ufffc\ufffd "}`,
			base(func(r *record.Record) { r.Text = "  U2FsdGVkX1+a=\r\n<b>\x01\ufffc\ufffd " })},
		{"bytes that are no character", "{" + id + when + ",\"textContent\":\"a\xff\xfeb\xe2\x82\"}",
			base(func(r *record.Record) { r.Text = "a⟦byte FFFE⟧b⟦byte E282⟧" })},
		{"a name in escapes", `{` + id + when + `,"text\u0043ontent":"x"}`,
			base(func(r *record.Record) { r.Text = "x" })},
		{"names of another case", `{` + id + when + `,"TextContent":"x","TEXTCONTENT":7}`,
			base(func(*record.Record) {})},
		{"a name twice", `{` + id + when + `,"textContent":"x","textContent":"y","from":{"value":"1"},"from":{}}`,
			base(func(r *record.Record) { r.Text = "y" })},
		{"archivedTime of nonsense", `{` + id + when + `,"archivedTime":"yesterday"}`,
			base(func(r *record.Record) { r.ArchivedText = "yesterday" })},
		{"archivedTime impossible", `{` + id + when + `,"archivedTime":"1970-01-01T00:00:00Z"}`,
			base(func(r *record.Record) { r.ArchivedText = "1970-01-01T00:00:00Z" })},
		{"a heartbeat without a time", `{` + id + `"messageType":"SYSTEM","messageTime":7}`,
			&record.Record{ID: "m1", Kind: record.System}},
		{"a duration beyond all", `{` + id + when + `,"callInfo":{"callDurationInMillis":99999999999999999}}`,
			base(func(r *record.Record) {
				r.Call, r.LeftOut = &record.Call{}, []string{"callInfo.callDurationInMillis"}
			})},
		{"a duration below zero", `{` + id + when + `,"callInfo":{"callDurationInMillis":-1}}`,
			base(func(r *record.Record) {
				r.Call, r.LeftOut = &record.Call{}, []string{"callInfo.callDurationInMillis"}
			})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(entry(tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			tt.want.SHA256 = hash(tt.raw)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("record (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseEntry(t *testing.T) {
	t.Parallel()
	good := entry(`{` + when + `}`)
	for name, e := range map[string]record.Entry{
		"fault of fetch":  {Version: 1, Fault: "too large"},
		"unknown version": {Version: 2, Items: good.Items},
		"no items":        {Version: 1},
	} {
		_, err := Parse(e)
		var fault *record.Fault
		if !errors.As(err, &fault) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPeek(t *testing.T) {
	t.Parallel()
	segment := func(s string) string { return `{"segmentedData":` + s + `}` }
	tests := []struct {
		name, raw string
		want      Outline
	}{
		{"nothing", `{}`, Outline{}},
		{"wrong types", `{"messageId":7,"messageTime":{},"textContent":[],"messageType":[],"msisdn":1,"attachment":{}}`,
			Outline{}},
		{"heartbeat", `{"messageId":"m","messageType":"System","msisdn":"447700900123"}`,
			Outline{MessageID: "m", Kind: record.System, Owner: "447700900123"}},
		{"piece", segment(`{"segmentedId":"s","pieceNumber":1,"totalPieces":3}`),
			Outline{Segment: &Segment{"s", 1, 3}}},
		{"piece, other spelling of numbers", segment(`{"segmentedId":"s","pieceNumber":3.0,"totalPieces":3e0}`),
			Outline{Segment: &Segment{"s", 3, 3}}},
		{"piece of one", segment(`{"segmentedId":"s","pieceNumber":1,"totalPieces":1}`), Outline{}},
		{"piece 0", segment(`{"segmentedId":"s","pieceNumber":0,"totalPieces":3}`),
			Outline{Segment: &Segment{"s", 0, 3}}},
		{"piece without a number", segment(`{"segmentedId":"s","totalPieces":3}`), Outline{}},
		{"piece of none", segment(`{"segmentedId":"s","pieceNumber":1,"totalPieces":0}`), Outline{}},
		{"piece of less than none", segment(`{"segmentedId":"s","pieceNumber":1,"totalPieces":-3}`), Outline{}},
		{"piece before the first", segment(`{"segmentedId":"s","pieceNumber":-1,"totalPieces":3}`), Outline{}},
		{"a heartbeat with a segment",
			`{"messageType":"SYSTEM","segmentedData":{"segmentedId":"s","pieceNumber":1,"totalPieces":3}}`,
			Outline{Kind: record.System}},
		{"a call with a segment",
			`{"segmentedData":{"segmentedId":"s","pieceNumber":1,"totalPieces":3},"messageType":"call_log"}`,
			Outline{Kind: record.CallLog}},
		{"a piece whose text is none",
			`{"textContent":7,"segmentedData":{"segmentedId":"s","pieceNumber":1,"totalPieces":3}}`,
			Outline{Segment: &Segment{"s", 1, 3}, Faulty: true}},
		{"piece beyond the last", segment(`{"segmentedId":"s","pieceNumber":4,"totalPieces":3}`), Outline{}},
		{"piece of a million", segment(`{"segmentedId":"s","pieceNumber":1,"totalPieces":1000000}`), Outline{}},
		{"piece without id", segment(`{"pieceNumber":1,"totalPieces":3}`), Outline{}},
		{"attachments", `{"attachment":[{"name":"a","contentType":"image/png","attachSize":3,"digest":"d",
			"content":"QUJD","contentUrl":"/x"},
			{"content":"","contentUrl":"/y"},null,{"content":""},{"content":"","attachSize":0},
			{"attachSize":1e400},{"attachSize":-1}]}`,
			Outline{Attachments: []AttachmentSource{{Name: "a", Type: "image/png", Digest: "d", Size: 3, Inline: true,
				ContentURL: "/x"},
				{ContentURL: "/y"}, {}, {Inline: true}, {}, {}}}},
	}
	for _, tt := range tests {
		got, err := Peek([]byte(tt.raw))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	for _, raw := range []string{``, `[]`, `null`, `{`} {
		if _, err := Peek([]byte(raw)); err == nil {
			t.Errorf("%.20s is accepted", raw)
		}
	}
}

func fuzzSeeds(f *testing.F) {
	full, err := os.ReadFile("testdata/full.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Add([]byte(pieceJSON("a", "2026-11-22T09:30:01Z", "1", "3", `"x"`)))
	f.Add([]byte(` {"to":[{"fullName":{}},[]],"callInfo":{"startTime":1e9},"attachment":[{"content":"\u0051Q=="}]} `))
}

func FuzzPeek(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		outline, err := Peek(raw)
		var object map[string]json.RawMessage
		valid := json.Unmarshal(raw, &object) == nil && object != nil
		var fault *record.Fault
		if (err == nil || errors.As(err, &fault)) != valid {
			t.Fatalf("error %v, an object: %v", err, valid)
		}
		if s := outline.Segment; s != nil && (s.ID == "" || s.Number < 0 || s.Number > s.Total || s.Total > maxPieces) {
			t.Errorf("segment %+v", s)
		}
		for i, a := range outline.Attachments {
			r, err := InlineContent(raw, i)
			if (err == nil) != a.Inline {
				t.Errorf("attachment %d: %v", i, err)
			}
			if err == nil {
				drain(t, r)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	fuzzSeeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, total := range []int{0, 3} {
			e := record.Entry{Version: 1, Total: total,
				Items: []record.Item{{SHA256: "00", Raw: raw}, {SHA256: "01", Raw: raw}}[:1+total/3]}
			r, err := Parse(e)
			var fault *record.Fault
			switch {
			case err != nil && !errors.As(err, &fault):
				t.Fatalf("an error that is no fault: %v", err)
			case err != nil:
				continue
			case r.ID == "":
				t.Error("no identity")
			case r.Kind != record.System && (r.Time.Year() < 2000 || r.Time.Year() > 10000):
				t.Errorf("time %v", r.Time)
			}
			for _, s := range []string{r.ID, r.Text, r.Subject, r.Owner, r.From.Value, r.From.Name(), string(r.Kind),
				r.GroupName} {
				if !utf8.ValidString(s) {
					t.Errorf("invalid UTF-8 %q", s)
				}
			}
			if outline, err := Peek(raw); err != nil || len(outline.Attachments) != len(r.Attachments) {
				t.Errorf("Peek and Parse differ: %v", err)
			}
		}
	})
}
