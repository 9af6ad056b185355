package archive

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/archive/layout"
)

// batchEnding is the end of the name of each batch. No other package has it: a house test compares.
const batchEnding = ".ndjson"

// jsonEnding is the end of the name of each blob that holds one JSON value.
const jsonEnding = ".json"

// The forms of names. A run begins with a letter or digit, so that no part of a path is "." or "..".
var (
	folderForm = regexp.MustCompile(`^\d{4}/\d\d/\d\d/[A-Za-z0-9][A-Za-z0-9.-]{0,127}$`)
	batchForm  = regexp.MustCompile(
		`^\d{4}/\d\d/\d\d/[A-Za-z0-9][A-Za-z0-9.-]{0,127}/(\d{5}|a\d{6})(-z{0,3}[b-z])?\.ndjson$`)
	dayForm = regexp.MustCompile(`^\d{4}/\d\d/\d\d$`)
)

// maxBatches is the maximum number of batches in a run.
const maxBatches = 999_999

// BatchName returns the name of a run's seq-th batch, from 1: <folder>/00001.ndjson. From the 100,000th on the number
// is preceded by a letter, a100000, so that names sort in the order of the numbers.
func BatchName(folder string, seq int) string {
	if seq > 99_999 {
		return fmt.Sprintf("%s/a%06d%s", folder, seq, batchEnding)
	}
	return fmt.Sprintf("%s/%05d%s", folder, seq, batchEnding)
}

// IsBatch reports whether name is the name of a batch within the container Batches.
func IsBatch(name string) bool { return batchForm.MatchString(name) }

// IsFolder reports whether name is the name of a run's folder within the container Batches.
func IsFolder(name string) bool { return folderForm.MatchString(name) }

// HasBatchEnding reports whether name ends as the names of batches do, whatever folder it is in.
func HasBatchEnding(name string) bool { return path.Ext(name) == batchEnding }

// BatchNumber returns the number of the batch in its run. ok is false if name is not the name of a batch.
func BatchNumber(name string) (seq int, ok bool) {
	seq, _, ok = parseBatch(name)
	return seq, ok
}

// parseBatch returns the number of the batch in its run and the suffix of its name, which is empty for the first batch
// of that number.
func parseBatch(name string) (seq int, suffix string, ok bool) {
	if !IsBatch(name) {
		return 0, "", false
	}
	number, suffix, _ := strings.Cut(strings.TrimSuffix(path.Base(name), batchEnding), "-")
	seq, err := strconv.Atoi(strings.TrimPrefix(number, "a"))
	return seq, suffix, err == nil
}

// CompareBatches compares the names of two batches of one run by the order in which they were written: a second batch
// of a number (00001-b) follows the first one.
func CompareBatches(a, b string) int {
	seqA, suffixA, _ := parseBatch(a)
	seqB, suffixB, _ := parseBatch(b)
	return cmp.Or(cmp.Compare(seqA, seqB), cmp.Compare(suffixA, suffixB))
}

// RunOf returns the folder of the run that name is in, which is the name of a batch or of a manifest.
func RunOf(name string) string { return path.Dir(name) }

// BatchBase returns the name of a batch within its run and without its ending: 00001.
func BatchBase(name string) string { return path.Base(ShortName(name)) }

// BatchAt returns the name of the batch with that base in the run's folder. It is the inverse of RunOf and BatchBase.
func BatchAt(folder, base string) string { return FullName(folder + "/" + base) }

// ShortName returns the name of a batch without its ending, as pages and files show it: <folder>/00001.
func ShortName(name string) string { return strings.TrimSuffix(name, path.Ext(name)) }

// FullName returns the name of the batch that has the short name. It is the inverse of ShortName.
func FullName(short string) string { return short + batchEnding }

// nameSuffixes returns the suffixes of alternative names: -b to -z, then -zb to -zzzz.
func nameSuffixes() (all []string) {
	for _, z := range []string{"", "z", "zz", "zzz"} {
		for c := 'b'; c <= 'z'; c++ {
			all = append(all, "-"+z+string(c))
		}
	}
	return all
}

// The name of a manifest within its run's folder.
const manifestBase = "manifest.json"

func manifestName(folder string) string { return folder + "/" + manifestBase }

// IsManifest reports whether name, within the container Batches, is that of a run's manifest.
func IsManifest(name string) bool { return path.Base(name) == manifestBase }

// AttachmentHash returns the SHA-256, in hex, that the name of an attachment within MediaContainer holds. ok is false
// if name is not the name of an attachment.
func AttachmentHash(name string) (sha256 string, ok bool) {
	return path.Base(name), mediaForm.MatchString(name)
}

// The folders of the reports about delivered ZIPs within StatusContainer.
const (
	deliveryReports = "deliveries/"
	importReports   = "imports/"
)

// DeliveryReport returns the name, within StatusContainer, of the report about the ZIP of the vendor's whose run is in
// the folder.
func DeliveryReport(folder string) string { return deliveryReports + folder + jsonEnding }

// ImportReport returns the name, within StatusContainer, of the report about the ZIP of another archive whose run is in
// the folder.
func ImportReport(folder string) string { return importReports + folder + jsonEnding }

// IsDeliveryReport reports whether name, within StatusContainer, is that of a report about a delivered ZIP.
func IsDeliveryReport(name string) bool {
	return (strings.HasPrefix(name, deliveryReports) || strings.HasPrefix(name, importReports)) &&
		path.Ext(name) == jsonEnding
}

// CopyName returns the name of the copy of a ZIP within DeliveriesContainer. key is 32 hex digits. It never has the
// name of the delivered file.
func CopyName(planned time.Time, key string) string {
	return layout.DayFolder(layout.Day(planned)) + key
}

// RawName returns the name for KeepRaw of an item that cannot be a record. It holds the number of batches of the run
// before the item's page and the item's index within the page, so that reading the same page again yields the same
// name. If the page has changed in between, the hash of head, the item's beginning, separates the new bytes from the
// stored ones.
func RawName(folder string, batches, index int, head []byte) string {
	sum := sha256.Sum256(head)
	return fmt.Sprintf("%s/%05d-%04d-%s", folder, batches, index, hex.EncodeToString(sum[:8]))
}

// RawDeferredName returns the name for KeepRaw of a deferred item of that key that a run cannot read.
func RawDeferredName(folder, key string) string { return folder + "/" + key }

// DeferredKey returns the key of an item that a run has deferred for a reason: <reason>-<end>-<8 digits>-<id>. end is
// the end of the run's window, number that of the item in the window and id in hex, so that keys sort in the order in
// which the items of a reason arrived.
func DeferredKey(reason string, end time.Time, number int, id string) string {
	return fmt.Sprintf("%s%08d-%s", DeferredPrefix(reason, end), number, id)
}

// FormerDeferredKey returns the key in the form of an earlier version, whose numbers have 7 digits.
func FormerDeferredKey(reason string, end time.Time, number int, id string) string {
	return fmt.Sprintf("%s%07d-%s", DeferredPrefix(reason, end), number, id)
}

// DeferredPrefix returns the beginning of the keys of the items that windows with that end have deferred for a reason.
func DeferredPrefix(reason string, end time.Time) string {
	return reason + "-" + layout.Stamp(end) + "-"
}

// IsDeferredFor reports whether the key is that of an item that was deferred for the reason.
func IsDeferredFor(reason, key string) bool { return strings.HasPrefix(key, reason+"-") }
