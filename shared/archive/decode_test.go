package archive

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeManifest(t *testing.T) {
	total := int64(7)
	want := Manifest{Version: 1, Kind: "daily", Received: 7, SourceTotal: &total, Records: 7, Staged: 7,
		Batches: []BatchInfo{{Name: "2026/11/22/run/00001.ndjson", Records: 5},
			{Name: "2026/11/22/run/00002.ndjson", Records: 2}}}
	for name, batches := range map[string][]BatchInfo{"batches": want.Batches, "none": {}, "null": nil} {
		m := want
		m.Batches = batches
		raw, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got := []BatchInfo{}
		head, err := DecodeManifest(strings.NewReader(string(raw)+"\n"), func(b BatchInfo) { got = append(got, b) })
		if diff := cmp.Diff(append([]BatchInfo{}, batches...), got); diff != "" || err != nil {
			t.Errorf("%s (-want +got): %v\n%s", name, err, diff)
		}
		m.Batches = nil
		if diff := cmp.Diff(m, head); diff != "" {
			t.Errorf("%s: without the batches (-want +got):\n%s", name, diff)
		}
	}
}

func TestDecodeManifestRefuses(t *testing.T) {
	for _, text := range []string{"", "[]", "null", "{", `{"v":1`, `{"v":"one"}`, `{"batches":{}}`, `{"batches":[`,
		`{"batches":[{}`,
		`{"batches":["name"]}`, `{"v":1} {}`, `{"v":1}}`} {
		if m, err := DecodeManifest(strings.NewReader(text), func(BatchInfo) {}); !errors.Is(err, ErrContent) {
			t.Errorf("%q is read as %+v: %v", text, m, err)
		}
	}
	broken := errors.New("the connection broke")
	half := io.MultiReader(strings.NewReader(`{"v":1,`), iotest.ErrReader(broken))
	if _, err := DecodeManifest(half, func(BatchInfo) {}); err != broken {
		t.Errorf("the error of the reader is returned as %v", err)
	}
}
