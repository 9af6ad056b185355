package archive

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archivetest"
)

var jane = MappingAuthor{By: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "jäne@contoso.example",
	At: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}

func TestReplaceMapping(t *testing.T) {
	ctx, m := t.Context(), testStore(t).Mapping()
	if _, _, _, err := m.InForce(ctx); !errors.Is(err, ErrNotFound) {
		t.Fatalf("none: %v", err)
	}
	first, err := m.Replace(ctx, []byte("one"), jane, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Replace(ctx, []byte("two"), jane, ""); !errors.Is(err, ErrExists) {
		t.Errorf("another first one: %v", err)
	}
	if _, err := m.Replace(ctx, []byte("two"), jane, first); err != nil {
		t.Errorf("the second: %v", err)
	}
	if _, err := m.Replace(ctx, []byte("three"), jane, first); !errors.Is(err, ErrChanged) {
		t.Errorf("over the second: %v", err)
	}
	data, v, _, err := m.InForce(ctx)
	if err != nil || string(data) != "two" {
		t.Fatalf("in force: %q, %v", data, err)
	}
	if diff := cmp.Diff(MappingVersion{HashMapping([]byte("two")), 3, jane}, v); diff != "" {
		t.Errorf("version (-want +got):\n%s", diff)
	}
	if read, _, err := m.Read(ctx, ""); err != nil || string(read) != "two" {
		t.Errorf("import reads %q, %v", read, err)
	}
	if _, err := m.Write(ctx, []byte("by hand")); err != nil { // as a script does
		t.Fatal(err)
	}
	if _, v, _, err := m.InForce(ctx); err != nil || v.By != "" || v.At.IsZero() {
		t.Errorf("a file by hand: %+v, %v", v, err)
	}
}

// An answer that was lost is not taken for another writer's change.
func TestReplaceMappingLostAnswer(t *testing.T) {
	for _, fault := range []archivetest.Fault{archivetest.Lose, archivetest.Reset, archivetest.Busy} {
		s := faultyStore(t, method(http.MethodPut), first(fault))
		_, _, etag, err := s.Mapping().InForce(t.Context())
		if err != nil && !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if _, err := s.Mapping().Replace(t.Context(), []byte{byte(fault)}, jane, etag); err != nil {
			t.Errorf("fault %d: %v", fault, err)
		}
	}
}

func TestMappingVersions(t *testing.T) {
	s := testStore(t)
	ctx, m := t.Context(), s.Mapping()
	later := jane
	later.At = jane.At.Add(time.Hour)
	for range 2 {
		for _, v := range []struct {
			text string
			by   MappingAuthor
		}{{"one", jane}, {"two", later}, {"one", later}} {
			if err := m.KeepVersion(ctx, []byte(v.text), v.by); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, stray := range []string{"mapping/readme.csv", "mapping/" + strings.Repeat("g", 64) + ".csv"} {
		if _, err := s.Settings().Put(ctx, stray, "x", "", nil); err != nil {
			t.Fatal(err)
		}
	}
	all, more, err := m.Versions(ctx, 10)
	want := []MappingVersion{{HashMapping([]byte("two")), 3, later}, {HashMapping([]byte("one")), 3, jane}}
	if diff := cmp.Diff(want, all); err != nil || more || diff != "" {
		t.Errorf("%v, %v (-want +got):\n%s", more, err, diff)
	}
	if all, more, err := m.Versions(ctx, 1); err != nil || !more || len(all) != 1 {
		t.Errorf("one of two: %v, %v, %v", all, more, err)
	}
	if data, err := m.ReadVersion(ctx, want[1].SHA256); err != nil || string(data) != "one" {
		t.Errorf("%q, %v", data, err)
	}
	for _, bad := range []string{"", "../mapping", strings.Repeat("0", 64)} {
		if _, err := m.ReadVersion(ctx, bad); !errors.Is(err, ErrNotFound) {
			t.Errorf("version %q: %v", bad, err)
		}
	}
}

func TestMappingDraft(t *testing.T) {
	ctx, m := t.Context(), testStore(t).Mapping()
	for _, none := range []string{"", "../mapping", HashMapping([]byte("one"))} {
		if _, err := m.ReadDraft(ctx, jane.By, none); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", none, err)
		}
	}
	all := []string{"one", "two", "one"}
	for _, text := range all {
		if err := m.PutDraft(ctx, jane.By, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range all {
		if data, err := m.ReadDraft(ctx, jane.By, HashMapping([]byte(text))); err != nil || string(data) != text {
			t.Errorf("%q, %v", data, err)
		}
	}
	if err := m.PutDraft(ctx, "../../mapping", nil); err == nil {
		t.Error("a draft outside of its folder is stored")
	}
}
