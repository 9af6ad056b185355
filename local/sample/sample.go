// Package sample makes the sample day: what the people of an invented firm sent, received and
// said on their O2 phones in 24 hours, as the TeleMessage site would hand it out, with every trap
// that real archives are known to hold, and with the counts that a correct run must end with.
//
// The counts are kept while the day is made, from what each person is known to be. No code of the
// connector takes part in them, so that an end-to-end test can hold the connector to them.
package sample

import (
	"slices"
	"time"
)

// Day is the sample day. Nothing in it is real but the texts (see testdata/README.md).
type Day struct {
	From  time.Time // the earliest archived time rounded down to the hour: FETCH_FROM of a run that is to end with Expect
	Start time.Time // End less 24 hours
	End   time.Time

	Users    []User    // the whole tenant: everything else in it has no mailbox and no user
	Items    []Item    // in the order of Archived
	Contents []Content // what the site has to answer for the items' contentUrl; any other path is 404
	Mapping  []byte    // the custom mapping file
	Expect   Expectation

	secrets secrets
}

// User is a user of the tenant. Its fields are those of the Graph stand-in's User, in their order, so that
// one converts into the other.
type User struct {
	ID          string   // directory object id
	UPN         string   // user principal name
	Mail        string   // primary address
	Proxy       []string // other addresses of the mailbox, without "smtp:"
	Disabled    bool     // nobody may sign in: leavers, shared mailboxes
	MailboxCode string   // "" has a mailbox; else the error code with which Graph answers for it
	DisplayName string
}

// Item is one item of the site.
type Item struct {
	Archived time.Time // when the site stored it, whatever its JSON says
	Raw      []byte    // a JSON object
	Trap     string    // what is odd about it, in a few words; "" for an ordinary item
}

// Content is what the site answers for a path.
type Content struct {
	Path       string
	Type       string // media type
	Data       []byte // for a Status of 0
	Status     int    // 0 for 200; any other is the answer to every request
	Location   string // for a redirect
	RetryAfter string // of a refusal: seconds
}

// Expectation is what is true of the site, the mailboxes and the journal once all items were fetched
// from From to End and imported with the default settings, Mapping in place. Nothing is then pending or failed.
type Expectation struct {
	Items int            // what the source holds: the sum of the next four
	Kinds map[string]int // Items by messageType as given, in upper case; "" for those without one

	Archived    int // records; each piece of a long SMS is one
	Unmapped    int
	Excluded    int
	Quarantined int

	Planned   int // copies: the sum of the next three. A long SMS in pieces counts once for each mailbox
	Imported  int
	Duplicate int
	Oversize  int // always 0 with the default MAX_ITEM_SIZE

	Incomplete int // archived records that lack an attachment
	Gone       int // the attachments that they lack
	LeftOut    int // records with a field that their message lacks, because of its JSON type
	Others     int // records whose content or participants are not those of what was imported under their id
	Differing  int // their copies

	Messages map[string]int // by user id: messages in the folder; users without one are absent
}

// Make makes the day that ends at end, to the second. It is the same day whenever it is made for the
// same end. The ids in it differ from day to day. The caller may change what it gets.
//
// The items were archived in the 24 hours before end, but for a few of 15 to 16 days before: those
// have waited for longer than the 14 days that the connector waits for what is missing.
func Make(end time.Time) *Day {
	end = end.UTC().Truncate(time.Second)
	m := newMaker(end)
	m.chatter(texts())
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
