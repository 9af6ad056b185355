package report

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/archive"
	"o2archiver/shared/journal"
	"o2archiver/shared/record"
	"o2archiver/shared/report/reporttest"
)

// copied is the name of the copy of a delivered ZIP.
const copied = "2026/11/22/7871065eecec6397807f45860d0fc24f"

// provenFolder returns a copy of an archive with a finished run of two batches, a run without a manifest, and the same
// attachment under both forms of its name.
func provenFolder(t *testing.T) (folder Folder, finished, open string) {
	a := reporttest.New(t)
	item := text("2026-11-22T09:30:00Z", jane, ali, jane)
	finished, open = a.Batch(firstRun, 1, items(t, item)...), a.Batch(nextRun, 1, items(t, item)...)
	a.Batch(firstRun, 2, items(t, item, item)...)
	a.Manifest(firstRun, archive.Manifest{Received: 3})
	a.Deliver(finished, true, outcomes(journal.Unmapped))
	folder = Folder(a.CopyOut())
	for _, day := range []string{"", "2026/11/22"} {
		name := record.Media{SHA256: reporttest.HexSum([]byte("hello")), Day: day}.Blob()
		reporttest.PutFile(t, folder.path(archive.MediaContainer, name), []byte("hello"))
	}
	reporttest.PutFile(t, folder.path(archive.MediaContainer, "raw/name"), []byte("neither record nor attachment"))
	reporttest.PutFile(t, folder.path(archive.SettingsContainer, "mapping.csv"), nil)
	reporttest.PutFile(t, folder.path(archive.DeliveriesContainer, copied), []byte("a ZIP"))
	reporttest.PutFile(t, folder.path(archive.DeliveriesContainer, copied+"0"), []byte("a ZIP that was not read"))
	for name, of := range map[string]string{archive.DeliveryReport(firstRun): copied,
		archive.ImportReport(firstRun): "2026/11/22/deleted"} {
		reporttest.PutFile(t, folder.path(archive.StatusContainer, name), fmt.Appendf(nil,
			`{"v":1,"copy":%q,"sha256":%q}`, of, reporttest.HexSum([]byte("a ZIP"))))
	}
	return folder, finished, open
}

func TestProve(t *testing.T) {
	folder, _, _ := provenFolder(t)
	reporttest.PutFile(t, filepath.Join(string(folder), "SHA256SUMS"), []byte("of an earlier proof"))
	var names []string
	got, err := folder.Prove(t.Context(), func(name, sum string) error {
		names = append(names, name)
		raw, err := os.ReadFile(filepath.Join(string(folder), filepath.FromSlash(name)))
		if err != nil || sum != reporttest.HexSum(raw) {
			t.Errorf("the hash of %s is wrong: %v", name, err)
		}
		return nil
	}, "SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	proof := Proof{Attachments: 2, Batches: 2, Manifests: 1, Journals: 1, Deliveries: 1, Unlisted: 1, Unreported: 1}
	if diff := cmp.Diff(proof, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	hello := reporttest.HexSum([]byte("hello"))
	want := []string{"batches/" + firstRun + "/00001.ndjson", "batches/" + firstRun + "/00002.ndjson",
		"batches/" + firstRun + "/manifest.json", "batches/" + nextRun + "/00001.ndjson",
		"deliveries/" + copied, "deliveries/" + copied + "0",
		"journal/" + firstRun + "/00001.jsonl", "media/2026/11/22/" + hello, "media/" + hello, "media/raw/name",
		"settings/mapping.csv", "status/deliveries/" + firstRun + ".json", "status/imports/" + firstRun + ".json"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestProveFindsWhatDiffers(t *testing.T) {
	const manifest = firstRun + "/manifest.json"
	hello := reporttest.HexSum([]byte("hello"))
	for name, c := range map[string]struct {
		change func(t *testing.T, folder Folder, finished, open string) error
		want   Proof
	}{
		"an attachment": {func(t *testing.T, f Folder, _, _ string) error {
			return os.WriteFile(f.path(archive.MediaContainer, hello), []byte("hell"), 0o600)
		}, Proof{Attachments: 1, Batches: 2, Manifests: 1, Journals: 1, Deliveries: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"media/" + hello + " is not what its name says"}}},
		"a batch": {func(t *testing.T, f Folder, finished, _ string) error {
			changeFile(t, f.path(archive.BatchesContainer, finished), "hello", "hollo")
			return nil
		}, Proof{Attachments: 2, Batches: 1, Manifests: 1, Journals: 1, Deliveries: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"batches/" + firstRun + "/00001.ndjson is not what its manifest says"}}},
		"no batch": {func(t *testing.T, f Folder, finished, _ string) error {
			return os.Remove(f.path(archive.BatchesContainer, finished))
		}, Proof{Attachments: 2, Batches: 1, Manifests: 1, Journals: 1, Deliveries: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"batches/" + firstRun + "/00001.ndjson is missing"}}},
		"a manifest": {func(t *testing.T, f Folder, _, _ string) error {
			changeFile(t, f.path(archive.BatchesContainer, manifest), `"staged"`, `staged`)
			return nil
		}, Proof{Attachments: 2, Journals: 1, Deliveries: 1, Unlisted: 3, Unreported: 1,
			Mismatches: []string{"batches/" + manifest +
				" can't be read"}}},
		"a manifest that lists a batch of another run": {func(t *testing.T, f Folder, _, open string) error {
			raw, err := os.ReadFile(f.path(archive.BatchesContainer, open))
			changeFile(t, f.path(archive.BatchesContainer, manifest), `"batches":[`,
				`"batches":[{"name":"`+open+`","sha256":"`+reporttest.HexSum(raw)+`"},`)
			return err
		}, Proof{Attachments: 2, Batches: 3, Manifests: 1, Journals: 1, Deliveries: 1, Unreported: 1}},
		"a manifest that lists a file outside": {func(t *testing.T, f Folder, _, open string) error {
			changeFile(t, f.path(archive.BatchesContainer, manifest), `"batches":[`,
				`"batches":[{"name":"../settings/mapping.csv"},`)
			return nil
		}, Proof{Attachments: 2, Batches: 2, Manifests: 1, Journals: 1, Deliveries: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"batches/../settings/mapping.csv is missing"}}},
		"a delivered ZIP": {func(t *testing.T, f Folder, _, _ string) error {
			return os.WriteFile(f.path(archive.DeliveriesContainer, copied), []byte("a zip"), 0o600)
		}, Proof{Attachments: 2, Batches: 2, Manifests: 1, Journals: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"deliveries/" + copied + " is not what its report says"}}},
		"a report": {func(t *testing.T, f Folder, _, _ string) error {
			return os.WriteFile(f.path(archive.StatusContainer, archive.DeliveryReport(firstRun)),
				[]byte("{"), 0o600)
		}, Proof{Attachments: 2, Batches: 2, Manifests: 1, Journals: 1, Unlisted: 1, Unreported: 2,
			Mismatches: []string{"status/deliveries/" + firstRun + ".json can't be read"}}},
		"a journal": {func(t *testing.T, f Folder, finished, _ string) error {
			changeFile(t, f.path(archive.JournalContainer, journal.LogName(finished)), "unmapped", "archived")
			return nil
		}, Proof{Attachments: 2, Batches: 2, Manifests: 1, Deliveries: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"journal/" + firstRun +
				"/00001.jsonl: the journal is not as it was written: line 3 does not follow from the one before it"}}},
		"the journal of another batch": {func(t *testing.T, f Folder, finished, open string) error {
			other := f.path(archive.JournalContainer, journal.LogName(open))
			return errors.Join(os.MkdirAll(filepath.Dir(other), 0o700),
				os.Rename(f.path(archive.JournalContainer, journal.LogName(finished)), other))
		}, Proof{Attachments: 2, Batches: 2, Manifests: 1, Deliveries: 1, Unlisted: 1, Unreported: 1,
			Mismatches: []string{"journal/" + nextRun +
				"/00001.jsonl: the journal is not as it was written: line 1 does not follow from the one before it"}}},
	} {
		t.Run(name, func(t *testing.T) {
			folder, finished, open := provenFolder(t)
			if err := c.change(t, folder, finished, open); err != nil {
				t.Fatal(err)
			}
			got, err := folder.Prove(t.Context(), func(name, sum string) error {
				raw, err := os.ReadFile(filepath.Join(string(folder), filepath.FromSlash(name)))
				// that of the whole file, also where a check ended early
				if !strings.EqualFold(sum, reporttest.HexSum(raw)) {
					t.Errorf("the hash of %s is wrong", name)
				}
				return err
			})
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Errorf("-want +got: %v\n%s", err, diff)
			}
		})
	}
}

func TestProveFails(t *testing.T) {
	folder, _, _ := provenFolder(t)
	full := errors.New("the disk is full")
	if _, err := folder.Prove(t.Context(), func(string, string) error { return full }); !errors.Is(err, full) {
		t.Errorf("the error is %v", err)
	}
	if _, err := (folder + "-none").Prove(t.Context(), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a folder the error is %v", err)
	}
}

// A run may have many batches: the manifest is longer than any buffer.
func TestProveLargeRun(t *testing.T) {
	a := reporttest.New(t)
	for seq := range 300 {
		a.Batch(firstRun, seq+1, bytes.Repeat([]byte("1"), seq+1))
	}
	a.Manifest(firstRun, archive.Manifest{})
	got, err := Folder(a.CopyOut()).Prove(t.Context(), func(string, string) error { return nil })
	if diff := cmp.Diff(Proof{Batches: 300, Manifests: 1}, got); diff != "" || err != nil {
		t.Errorf("-want +got: %v\n%s", err, diff)
	}
}
