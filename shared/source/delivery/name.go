package delivery

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/record"
)

// maxName is the maximum length in bytes of the name of a ZIP, as in the file systems of the servers.
const maxName = 255

// nameForm is the form of a ZIP's name as the vendor documents it: the day of creation, 0000, the number, when it was
// zipped. The form of the last part is not known.
var nameForm = regexp.MustCompile(`(?i)^(\d{8})\d{4}-TeleMessage_(\d+)_([^/\\]+)\.zip$`)

// Name is what the name of a delivered ZIP tells.
type Name struct {
	Day    time.Time // of the ZIP's creation; in which time zone is not known. Zero if there is no such day
	Number int64     // raised by the vendor whenever a day's ZIP reaches a limit
	Zipped string    // when it was zipped, in a form that is not known
}

// ParseName returns what the name of a ZIP tells, and whether it is of the vendor's form.
func ParseName(name string) (n Name, ok bool) {
	parts := nameForm.FindStringSubmatch(name)
	if len(name) > maxName || parts == nil || IsUnfinished(name) {
		return Name{}, false
	}
	number, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return Name{}, false // more digits than a number holds
	}
	day, err := time.Parse("20060102", parts[1])
	if err != nil {
		day = time.Time{}
	}
	return Name{Day: day, Number: number, Zipped: parts[3]}, true
}

// IsDelivery reports whether the name is that of a delivered ZIP.
func IsDelivery(name string) bool {
	_, ok := ParseName(name)
	return ok
}

// IsZIP reports whether the name is that of a ZIP, of the vendor's form or not, which is no longer being uploaded.
func IsZIP(name string) bool {
	const ending = ".zip"
	return len(name) > len(ending) && len(name) <= maxName && !IsUnfinished(name) &&
		record.EqualFoldASCII(name[len(name)-len(ending):], ending)
}

// IsUnfinished reports whether programs give such a name to a file while it is uploaded: WinSCP .filepart, rclone
// .partial, ProFTPD .in.<name>. and others a leading dot. It has another name when it is whole.
func IsUnfinished(name string) bool {
	lower := strings.ToLower(path.Base(name))
	if strings.HasPrefix(lower, ".") { // .in.* too
		return true
	}
	for _, ending := range []string{".filepart", ".part", ".partial", ".tmp"} {
		if strings.HasSuffix(lower, ending) {
			return true
		}
	}
	return false
}
