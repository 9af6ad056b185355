// Package sample generates the sample day: what the people of a fictional company sent, received and said on their O2
// phones in 24 hours, as the TeleMessage site would return it, with every irregularity that is known from real
// archives, and with the counts that a correct run must result in.
//
// The counts are kept while the day is generated, from what is known about each person. They use no code of the
// connector, so that an end-to-end test can check the connector against them.
package sample

import (
	"slices"
	"time"
)

// Day is the sample day. Nothing in it is real but the texts (see testdata/README.md).
type Day struct {
	From  time.Time // the earliest archived time, rounded down to the hour: FETCH_FROM for a run that results in Expect
	Start time.Time // End less 24 hours
	End   time.Time

	Users    []User    // the whole tenant
	Items    []Item    // in the order of Archived
	Contents []Content // the site's answers for the items' contentUrl; any other path is 404
	Mapping  []byte    // the custom mapping file
	Expect   Expectation

	secrets secrets
}

// User is a user of the tenant. Its fields are those of the Graph stand-in's User, in the same order, so that one can
// be converted to the other.
type User struct {
	ID          string   // directory object id
	UPN         string   // user principal name
	Mail        string   // primary address
	Proxy       []string // other addresses of the mailbox, without "smtp:"
	Disabled    bool     // sign-in is blocked: leavers, shared mailboxes
	MailboxCode string   // "": there is a mailbox; otherwise the error code with which Graph answers for it
	DisplayName string
}

// Item is one item of the site.
type Item struct {
	Archived time.Time // when the site stored it, whatever its JSON says
	Raw      []byte    // a JSON object
	Trap     string    // its irregularity in a few words; "" for an ordinary item
}

// Content is the site's answer for a path.
type Content struct {
	Path       string
	Type       string // media type
	Data       []byte // if Status is 0
	Status     int    // 0: 200 with Data; any other status is the answer to every request
	Location   string // for a redirect
	RetryAfter string // for a refusal: seconds
}

// Expectation holds what is true of the site, the mailboxes and the journal once all items were fetched from From to
// End and imported with the default settings and Mapping. Nothing is then pending or failed.
type Expectation struct {
	Items int            // items of the source: the sum of Archived, Unmapped, Excluded and Quarantined
	Kinds map[string]int // Items by messageType as given, in upper case; "" for those without one

	Archived    int // records; each part of a long SMS is one
	Unmapped    int
	Excluded    int
	Quarantined int

	Planned   int // copies: the sum of Imported, Duplicate and Oversize; a long SMS counts once for each mailbox
	Imported  int
	Duplicate int
	Oversize  int // always 0 with the default MAX_ITEM_SIZE

	Incomplete int // archived records that lack an attachment
	Gone       int // attachments that they lack
	LeftOut    int // records with a field that their message lacks, because of its JSON type
	Others     int // records whose content or participants differ from what was imported under their ID
	Differing  int // copies of these

	Messages map[string]int // by user ID: messages in the folder; users without a message are absent
}

// Make returns the day that ends at end, rounded down to the second. The same end always results in the same day;
// message IDs differ between days. The caller may modify the result.
//
// The items were archived in the 24 hours before end, except a few from 15 to 16 days before: those are older than the
// 14 days for which the connector waits for what is missing.
func Make(end time.Time) *Day { return MakeSmall(end, len(texts())) }

// MakeSmall returns a day with at most n texts of the collection, taken from all of it at equal distances. It is as
// irregular as the whole day.
func MakeSmall(end time.Time, n int) *Day {
	end = end.UTC().Truncate(time.Second)
	m := newMaker(end)
	m.chatter(someTexts(n))
	m.pictures()
	m.calls()
	m.heartbeats()
	m.late()
	m.identityTraps()
	m.pieceTraps()
	m.mappingTraps()
	m.timeTraps()
	m.shapeTraps()
	m.textTraps()
	m.fileTraps()
	m.longAgo()

	d := m.day
	slices.SortStableFunc(d.Items, func(a, b Item) int { return a.Archived.Compare(b.Archived) })
	d.From = d.Items[0].Archived.Truncate(time.Hour)
	return d
}
