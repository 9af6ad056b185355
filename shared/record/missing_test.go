package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMissing(t *testing.T) {
	whole := Record{ID: "m1", Kind: SMS, ArchivedText: "2026-11-22T10:02:11Z", Owner: "447700900123", Direction: "Out",
		From: Participant{Value: "+447700900123"}, To: []Participant{{Value: "+447700900456"}}, Text: "hello",
		Attachments: []Attachment{{Name: "a.png"}}, Call: &Call{}}
	tests := map[string]struct {
		change func(*Record)
		want   []string
	}{
		"nothing": {func(*Record) {}, nil},
		"all": {func(r *Record) { *r = Record{Derived: true} },
			[]string{"messageId", "messageType", "archivedTime", "msisdn", "direction", "from", "to"}},
		"a text's text": {func(r *Record) { r.Text = "" }, []string{"textContent"}},
		"an MMS has files": {func(r *Record) { r.Kind, r.Text, r.Attachments = MMS, "", nil },
			[]string{"attachment"}},
		"a call has callInfo": {func(r *Record) { r.Kind, r.Text, r.Call, r.Attachments = CallLog, "", nil, nil },
			[]string{"callInfo"}},
		"a recording has both": {func(r *Record) { r.Kind, r.Call, r.Attachments = CallAudio, nil, nil },
			[]string{"attachment", "callInfo"}},
		"a name is a sender": {func(r *Record) { r.From = Participant{LastName: "Doe"} }, nil},
		"of the wrong type": {func(r *Record) {
			r.From, r.To, r.LeftOut = Participant{}, nil, []string{"from.value", "to[0]"}
		}, nil},
		"another kind": {func(r *Record) { r.Kind, r.Text = "RCS", "" }, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := whole
			tt.change(&r)
			if diff := cmp.Diff(tt.want, r.Missing()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
