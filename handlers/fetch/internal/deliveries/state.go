package deliveries

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/archive/layout"
	"o2archiver/shared/arrival"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/status"
)

// StateName is the name of the document that holds the State, and whose lease a run holds, in the container
// checkpoints.
const StateName = "delivery.json"

// ImportsStateName is the name of the document with the State of the folder imports.
const ImportsStateName = "imports.json"

// State is what is kept from one run to the next. It has neither the names of ZIPs nor anything of their content, and
// no field for the state of a process. It is written only under its lease.
type State struct {
	Began  time.Time `json:"began,omitzero"`  // the first run
	Newest time.Time `json:"newest,omitzero"` // when a new ZIP was last planned that no one had asked for by its day
	Told   time.Time `json:"told,omitzero"`   // when it was last reported that none came

	Seen []Seen `json:"seen,omitempty"` // listed, and perhaps still being uploaded
	Open []ZIP  `json:"open,omitempty"` // planned, and not finished
	Done []Done `json:"done,omitempty"` // finished of late
	Past int    `json:"past,omitempty"` // ZIPs that were moved from Done into Past

	Lowest int64     `json:"lowest,omitempty"` // lowest file number that was ever planned, plus 1; 0: none yet
	Days   []Numbers `json:"days,omitempty"`   // what came of late, by the day in the name
	Gaps   []Gap     `json:"gaps,omitempty"`
}

// Seen is a listed file whose upload may not have ended.
type Seen struct {
	Key   string    `json:"key"`
	Since time.Time `json:"since"` // first listing with this size and time
}

// ZIP is a delivery that is planned and not finished. All that its batches depend on, besides its bytes, is here.
type ZIP struct {
	Key     string    `json:"key"`    // of path, size and time; see keyOf
	Place   string    `json:"place"`  // hash of the path
	Folder  string    `json:"folder"` // of its run
	Day     time.Time `json:"day,omitzero"`
	Number  int64     `json:"number"`
	Size    int64     `json:"size"`
	Planned time.Time `json:"planned"`
	Import  *Import   `json:"import,omitempty"`  // nil: a delivery of the vendor's
	Domains []string  `json:"domains,omitempty"` // of the organization when it was planned; not of an import

	Part   *Part     `json:"part,omitempty"`   // what is copied of it so far; nil: nothing, or all of it
	Anew   int       `json:"anew,omitempty"`   // parts that were discarded
	Slow   int       `json:"slow,omitempty"`   // turns whose time was over before a block was copied
	SHA256 string    `json:"sha256,omitempty"` // set when it was copied
	Agreed bool      `json:"agreed,omitempty"` // a listing after the copy shows the same file
	Tries  int       `json:"tries,omitempty"`  // invocations that began to work on it
	Failed string    `json:"failed,omitempty"` // the last error
	Began  string    `json:"began,omitempty"`  // how far it was when a turn began that has not ended
	Gone   time.Time `json:"gone,omitzero"`    // first listing without the file, before it was copied
	Broken time.Time `json:"broken,omitzero"`  // first run in which its copy did not open

	Progress Progress `json:"progress"`
}

// Part is the first part of a copy, which the next try continues. It is never a part of a file that has changed since,
// because such a file has another key.
type Part struct {
	archive.Partial
	At time.Time `json:"at"` // of its last block
}

// Progress is how far the batches of a ZIP have been written. It is a pure function of the ZIP and of Next.
type Progress struct {
	Next        int            `json:"next,omitempty"` // index of the first entry that is in no batch yet
	Batches     int            `json:"batches,omitempty"`
	Received    int            `json:"received,omitempty"` // EML entries
	Records     int            `json:"records,omitempty"`  // lines in batches
	Derived     int            `json:"derived,omitempty"`  // without an identity of the vendor's
	Quarantined int            `json:"quarantined,omitempty"`
	Problems    map[string]int `json:"problems,omitempty"` // messages by the problem of their entry
	// Counted is the number of bytes that were read of the messages before Next, plus 1. 0: none were, or a former
	// version read them, which did not count.
	Counted int64 `json:"counted,omitempty"`
}

// The outcomes of a ZIP, which package status explains.
const (
	Complete   = status.OutcomeComplete
	Incomplete = status.OutcomeIncomplete
	Same       = status.OutcomeSame
	Broken     = status.OutcomeBroken
	Replaced   = status.OutcomeReplaced
	Gone       = status.OutcomeGone
)

// ending is how the work on a ZIP ended.
type ending struct {
	outcome string
	why     string // of an outcome for which it was not read
	late    bool   // its manifest is written, and the document of its run is not
}

// Done is a finished ZIP.
type Done struct {
	Key     string    `json:"key"`
	SHA256  string    `json:"sha256,omitempty"`
	Outcome string    `json:"outcome"`
	Day     time.Time `json:"day,omitzero"`
	Number  int64     `json:"number"`
	Unread  *Unread   `json:"unread,omitempty"` // of a ZIP that was not read
	Late    string    `json:"late,omitempty"`   // the run of a ZIP that was read, if its document is not written
}

// Unread is what is shown of a ZIP that was not read, besides its outcome.
type Unread struct {
	Folder  string    `json:"folder"`
	Size    int64     `json:"size"`
	Planned time.Time `json:"planned"`
	At      time.Time `json:"at"`
	Why     string    `json:"why,omitempty"`
	Shown   bool      `json:"shown,omitempty"` // its document is written
}

const (
	maxPlanned = 200            // ZIPs planned by one listing
	maxOpen    = 20_000         // ZIPs planned and not finished
	settled    = time.Hour      // how long a state of things must last before it is reported or acted upon
	quietAfter = 26 * time.Hour // without a new ZIP
	quietEvery = 24 * time.Hour // between two reports that no ZIP comes
	dayLength  = 24 * time.Hour // of the window of a ZIP
	keyDigits  = 32             // hex digits of a key
)

// keyed is a listed file with its key.
type keyed struct {
	arrival.File
	key string
}

// withKeys returns the files with their keys.
func (r Rules) withKeys(files []arrival.File) []keyed {
	all := make([]keyed, len(files))
	for i, f := range files {
		all[i] = keyed{f, r.keyOf(f)}
	}
	return all
}

// keyOf returns the key of a listed file: the same for two listings that describe the same content. A file without a
// time has the key of one of 1970, which former versions took it for: the State has such keys.
func (r Rules) keyOf(f arrival.File) string {
	at := f.ModTime
	if at.IsZero() {
		at = time.Unix(0, 0)
	}
	return shortHash(r.form().keys + f.Path + "\x00" + strconv.FormatInt(f.Size, 10) + "\x00" +
		at.UTC().Format(time.RFC3339Nano))
}

func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:keyDigits]
}

// CopyName returns the name of the ZIP's copy in the archive.
func (z *ZIP) CopyName() string { return archive.CopyName(z.Planned, z.Key) }

// newZIP returns the plan for a listed file.
func (r Rules) newZIP(f keyed, name delivery.Name, now time.Time) ZIP {
	z := ZIP{Key: f.key, Place: shortHash(f.Path), Size: f.Size, Planned: now.UTC()}
	if r.Import != nil {
		settings := *r.Import
		z.Import, z.Folder = &settings, layout.ImportRun(now, z.Key)
	} else {
		z.Day, z.Number, z.Domains = name.Day, name.Number, r.Domains
		z.Folder = layout.DeliveryRun(now, name.Day, name.Number, z.Key)
	}
	return z
}

// Listed is what a listing showed.
type Listed struct {
	Deliveries int `json:"deliveries"`          // files whose names are those of ZIPs to be read
	Others     int `json:"others"`              // files with another name, which are never read
	NotFiles   int `json:"notFiles,omitempty"`  // folders, links and the like, which are never read
	Misplaced  int `json:"misplaced,omitempty"` // ZIPs of the vendor's in the folder imports, which are never read
	Ignored    int `json:"ignored"`             // ZIPs of days before the first one to be read
	Waiting    int `json:"waiting"`             // ZIPs that may still be uploaded
	Planned    int `json:"planned"`
	Later      int `json:"later"` // ZIPs that are left to a later run
}

// Rules decide which files of a listing are planned.
type Rules struct {
	From        time.Time     // ZIPs named for days before are ignored; zero: none
	Also        Days          // ZIPs named for these days are read although they lie before From
	StableAfter time.Duration // age of a file that counts as complete at its first listing
	planned     int           // ZIPs planned by one listing; 0: maxPlanned
	Import      *Import       // not nil: the folder is imports, and these are the settings of what is planned
	Domains     []string      // of the organization, for what is planned; empty: not known. Not of imports
}

// isEarly reports whether a ZIP is named for a day before From. A ZIP without a day is not.
func (r Rules) isEarly(name delivery.Name) bool {
	return !r.From.IsZero() && !name.Day.IsZero() && name.Day.Before(r.From)
}

// Days is a range of days by which ZIPs are named: from the day of From up to, but without, To. The zero Days has none.
type Days struct{ From, To time.Time }

func (d Days) has(day time.Time) bool {
	return !day.Before(d.From.Truncate(24*time.Hour)) && day.Before(d.To)
}

// Count returns the number and the size in bytes of the vendor's ZIPs in a listing that are named for the days.
func (d Days) Count(files []arrival.File) (zips, bytes int64) {
	for _, f := range files {
		if name, ok, _ := (Rules{}).parseName(f.Path); ok && d.has(name.Day) {
			zips++
			bytes += f.Size
		}
	}
	return zips, bytes
}

// CountNotFiles returns how many things of a listing are no files and are not read. What belongs to an upload does not
// count, and neither does the folder imports, which is read for itself.
func (r Rules) CountNotFiles(l arrival.Listing) (n int) {
	for _, name := range l.NotFiles {
		if !delivery.IsUnfinished(name) && (r.Import != nil || name != ImportsFolder) {
			n++
		}
	}
	return n
}

// Begin notes the first run.
func (s *State) Begin(now time.Time) {
	if s.Began.IsZero() {
		s.Began = now.UTC()
	}
}

// Plan plans the ZIPs of a listing that are complete and were not planned before, at most maxPlanned of them, in the
// order of the listing. It MUST NOT be called with a listing that failed.
func (s *State) Plan(files []keyed, r Rules, now time.Time) (l Listed) {
	known := s.knownKeys()
	since := make(map[string]time.Time, len(s.Seen))
	for _, seen := range s.Seen {
		since[seen.Key] = seen.Since
	}
	s.Seen = nil
	for _, f := range files {
		name, ok, misplaced := r.parseName(f.Path)
		switch {
		case misplaced:
			l.Misplaced++
			continue
		case !ok:
			l.Others++
			continue
		case r.isEarly(name) && !r.Also.has(name.Day):
			l.Ignored++
			continue
		}
		l.Deliveries++
		if known[f.key] {
			continue
		}
		earlier := arrival.Sighting{}
		if at, ok := since[f.key]; ok {
			earlier = arrival.Sighting{File: f.File, Since: at}
		}
		switch {
		case !arrival.IsComplete(f.File, earlier, now, r.StableAfter):
			l.Waiting++
		case l.Planned == cmp.Or(r.planned, maxPlanned) || len(s.Open) >= maxOpen:
			l.Later++
		default:
			known[f.key] = true
			s.Open = append(s.Open, r.newZIP(f, name, now))
			if isCounted(name, now) && (s.Lowest == 0 || name.Number+1 < s.Lowest) {
				s.Lowest = name.Number + 1
			}
			if !r.isEarly(name) { // an old ZIP that was asked for does not show that the vendor still delivers
				s.Newest = now.UTC()
			}
			l.Planned++
			continue
		}
		if arrival.IsComplete(f.File, arrival.Sighting{}, now, r.StableAfter) {
			continue // its age says so, and will in the next run
		}
		s.Seen = append(s.Seen, Seen{Key: f.key, Since: arrival.Sight(f.File, earlier, now).Since.UTC()})
	}
	return l
}

// knownKeys returns the keys of the ZIPs that are not planned any more.
func (s *State) knownKeys() map[string]bool {
	known := make(map[string]bool, len(s.Open)+len(s.Done))
	for i := range s.Open {
		known[s.Open[i].Key] = true
	}
	for i := range s.Done {
		if !status.MayComeAgain(s.Done[i].Outcome) {
			known[s.Done[i].Key] = true
		}
	}
	return known
}

// HasBytes reports whether another ZIP with these bytes was read, or will be.
func (s *State) HasBytes(z *ZIP) bool {
	return slices.ContainsFunc(s.Done, func(d Done) bool {
		return d.SHA256 == z.SHA256 && (d.Outcome == Complete || d.Outcome == Incomplete)
	}) || slices.ContainsFunc(s.Open, func(o ZIP) bool {
		return o.SHA256 == z.SHA256 && o.Key != z.Key && o.Agreed
	})
}

// Finish moves the i-th open ZIP to those that are done.
func (s *State) Finish(i int, end ending, now time.Time) {
	z := s.Open[i]
	s.Open = slices.Delete(s.Open, i, i+1)
	d := Done{Key: z.Key, SHA256: z.SHA256, Outcome: end.outcome, Day: z.Day, Number: z.Number}
	if status.IsUnread(end.outcome) {
		d.Unread = &Unread{Folder: z.Folder, Size: z.Size, Planned: z.Planned, At: now.UTC(), Why: end.why}
	} else if end.late {
		d.Late = z.Folder
	}
	s.Done = append(s.Done, d)
}

// IsQuiet reports whether no new ZIP has come for so long that it has to be reported, and that it was not reported
// lately. It notes the report.
func (s *State) IsQuiet(now time.Time) bool {
	last := s.Newest
	if last.IsZero() {
		last = s.Began
	}
	if now.Sub(last) < quietAfter || now.Sub(s.Told) < quietEvery {
		return false
	}
	s.Told = now.UTC()
	return true
}

// nextZIP returns the index of the open ZIP that has the next turn, or -1. The one with the fewest turns in this run
// comes first, then the one with the fewest tries, then the oldest. passed reports the ones that have no further turn.
func (s *State) nextZIP(turns map[string]int, passed map[string]bool) int {
	found := -1
	for i := range s.Open {
		z := &s.Open[i]
		if passed[z.Key] {
			continue
		}
		if found < 0 || cmp.Or(cmp.Compare(turns[z.Key], turns[s.Open[found].Key]),
			cmp.Compare(z.Tries-min(1, turns[z.Key]), s.Open[found].Tries-min(1, turns[s.Open[found].Key]))) < 0 {
			found = i
		}
	}
	return found
}
