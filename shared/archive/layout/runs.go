package layout

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"
)

// How the names of runs that are not those of daily windows begin.
const (
	backfillPrefix = "backfill-"
	deliveryPrefix = "delivery-"
	importPrefix   = "import-"
)

const (
	plannedForm = "20060102T150405.000Z" // when a backfill was planned
	dateForm    = "20060102"             // the day of a delivery
	noDate      = "undated"              // in its place
	keyDigits   = 12                     // of a ZIP's key
)

// DailyRun returns the folder of the run of a daily window: <day>/<from>-<to>. The day is that on which the window was
// planned, so that what is still to be imported is in the newest days, however old the messages are.
func DailyRun(planned, from, to time.Time) string { return inDay(planned, formatWindow(from, to)) }

// BackfillRun returns the folder of the run of a window of a backfill: <day>/backfill-<planned>-<from>-<to>. The
// windows of one backfill are planned at the same time.
func BackfillRun(planned, from, to time.Time) string {
	return inDay(planned, backfillPrefix+planned.UTC().Format(plannedForm)+"-"+formatWindow(from, to))
}

// DeliveryRun returns the folder of the run of a ZIP of the vendor's: <day>/delivery-<date>-<number>-<12 digits>. date
// and number are those in the ZIP's name. key is the ZIP's key in hex, of which the run's name has the beginning.
func DeliveryRun(planned, date time.Time, number int64, key string) string {
	of := noDate
	if !date.IsZero() {
		of = date.Format(dateForm)
	}
	return inDay(planned, fmt.Sprintf("%s%s-%d-%s", deliveryPrefix, of, number, key[:keyDigits]))
}

// ImportRun returns the folder of the run of a ZIP of another archive: <day>/import-<12 digits>. key is the ZIP's key
// in hex, of which the run's name has the beginning.
func ImportRun(planned time.Time, key string) string {
	return inDay(planned, importPrefix+key[:keyDigits])
}

func inDay(planned time.Time, run string) string { return DayFolder(Day(planned)) + run }

func formatWindow(from, to time.Time) string { return Stamp(from) + "-" + Stamp(to) }

// DailyEnd returns the end of the daily window whose run is in the folder. ok is false for other folders.
func DailyEnd(folder string) (end time.Time, ok bool) {
	_, stamp, ok := strings.Cut(path.Base(folder), "-")
	end, err := ParseStamp(stamp)
	return end, ok && err == nil
}

// BackfillOf returns the name of the backfill that the run in the folder belongs to, or "" if it is of none.
func BackfillOf(folder string) string {
	name := path.Base(folder)
	if !strings.HasPrefix(name, backfillPrefix) {
		return ""
	}
	return name[:min(len(name), len(backfillPrefix+plannedForm))]
}

// IsImport reports whether the run in the folder is that of a ZIP of another archive.
func IsImport(folder string) bool { return strings.HasPrefix(path.Base(folder), importPrefix) }

var deliveryForm = regexp.MustCompile(`^(` + deliveryPrefix + `[0-9]{8}-[0-9]+)-[0-9a-f]+$`)

// DeliveryOf returns the name that all runs of ZIPs of the vendor's have in common that are named for the same date and
// file number, or "" if the run in the folder is none of a ZIP with a date.
func DeliveryOf(folder string) string {
	if parts := deliveryForm.FindStringSubmatch(path.Base(folder)); parts != nil {
		return parts[1]
	}
	return ""
}
