package source

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/record"
	"o2archiver/shared/source/telemessage"
)

const raw = `{"messageId":"m1","messageTime":"2026-11-22T09:30:00Z","messageType":"SMS","textContent":"hello"}`

func entryOf(source string) record.Entry {
	return record.Entry{
		Version: 1, Source: source, Items: []record.Item{{SHA256: "00ff", Raw: json.RawMessage(raw)}},
	}
}

func TestEntryWithoutSourceIsOfTeleMessage(t *testing.T) {
	want, err := telemessage.Parse(entryOf(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"", record.TeleMessage} {
		got, err := Parse(entryOf(source))
		if err != nil {
			t.Fatalf("source %q: %v", source, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("source %q (-want +got):\n%s", source, diff)
		}
	}
}

func TestEntryOfUnknownSourceIsAFaultWithIdentity(t *testing.T) {
	byReference := record.Entry{Version: 1, Source: "eml", RawBlob: "2026/11/22/00ff", RawHash: "00ff"}
	named := byReference
	named.ID = "m1"
	nothing := record.Entry{Version: 1, Source: "eml"}
	for name, tt := range map[string]struct {
		entry   record.Entry
		id, sha string
	}{
		"an item":              {entryOf("eml"), "sha256:00ff", "00ff"},
		"a reference":          {byReference, "sha256:00ff", "00ff"},
		"a reference, with id": {named, "m1", "00ff"},
		"nothing":              {nothing, "", ""},
		"another case":         {entryOf("TeleMessage-O2"), "sha256:00ff", "00ff"},
	} {
		_, err := Parse(tt.entry)
		var fault *record.Fault
		if !errors.As(err, &fault) || fault.Field != "source" || fault.ID != tt.id || fault.SHA256 != tt.sha {
			t.Errorf("%s: %+v", name, err)
			continue
		}
		if strings.Contains(err.Error(), tt.entry.Source) {
			t.Errorf("%s: the reason repeats the name: %v", name, err)
		}
	}
}

func TestTeleMessageTakesNoReferenceInPlaceOfTheItem(t *testing.T) {
	_, err := Parse(record.Entry{Version: 1, RawBlob: "2026/11/22/00ff", RawHash: "00ff"})
	var fault *record.Fault
	if !errors.As(err, &fault) || fault.Field != "items" || fault.ID != "sha256:00ff" || fault.SHA256 != "00ff" {
		t.Errorf("%+v", err)
	}
}

func TestStoredFormOfAnEntry(t *testing.T) {
	for name, tt := range map[string]struct {
		entry record.Entry
		want  string
	}{
		"of TeleMessage": {entryOf(""), `{"v":1,"items":[{"sha256":"00ff","raw":` + raw + `}]}`},
		"of another source, by reference": {
			record.Entry{Version: 1, Source: "eml", ID: "m1", RawBlob: "2026/11/22/00ff", RawHash: "00ff"},
			`{"v":1,"source":"eml","id":"m1","rawBlob":"2026/11/22/00ff","rawHash":"00ff"}`,
		},
	} {
		got, err := json.Marshal(tt.entry)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %s, %v, want %s", name, got, err, tt.want)
		}
	}
}
