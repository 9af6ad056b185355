package sample

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ordinary is the text of a trap whose irregularity is not in the text.
const ordinary = "See you at the depot at four and bring the blue folder with you"

// trap adds an item that is ordinary except for one thing. A member of the staff sends it to a person outside, so it
// belongs in one mailbox.
func (m *maker) trap(name string, edit func(*item)) {
	owner := m.pick(m.staff)
	it := m.sms(owner, ordinary, owner, m.friend(owner))
	it.trap = name
	edit(it)
	m.add(it)
}

// lacking adds an item in which a field has the wrong JSON type.
func (m *maker) lacking(name string, edit func(*item)) {
	m.trap(name, func(it *item) {
		it.lacks = true
		edit(it)
	})
}

// unreadable adds an item that must be quarantined.
func (m *maker) unreadable(name string, edit func(*item)) {
	m.trap(name, func(it *item) {
		it.fate = quarantined
		edit(it)
	})
}

// identityTraps adds items that are, or only seem to be, the same message.
func (m *maker) identityTraps() {
	a, b := m.staff[2], m.staff[6]
	pair := func(name string) (first, second *item) {
		first = m.sms(a, ordinary, a, b)
		first.trap = name
		return first, m.copyFor(first, b)
	}

	first, second := pair("same id, other content")
	second.TextContent, first.differs, second.differs =
		"See you at the depot at five and bring the red folder with you", true, true
	m.add(first)
	m.add(second)

	first, second = pair("same id, sender's number spelt otherwise")
	first.From, second.From = a.as(bare), a.as(national)
	m.add(first)
	m.add(second)

	first, second = pair("same id, another owner's view of the group")
	first.To, first.boxes = partiesOf(plus, m.outside[:1]), boxesOf(a)
	first.differs, second.differs = true, true
	m.add(first)
	m.add(second)

	again := *first
	again.MessageID, again.trap, again.differs = m.id(), "the very same item twice", false
	for range 2 {
		twin := again
		m.add(&twin)
	}

	m.trap("no messageId", func(it *item) { it.MessageID = nil })
	m.trap("empty messageId", func(it *item) { it.MessageID = "" })
	none := m.sms(a, "This one has no name and comes twice, byte for byte", a, b)
	none.MessageID, none.trap = nil, "no messageId, twice"
	for range 2 {
		twin := *none
		m.add(&twin)
	}

	one := m.sms(a, "Equal text at the same second is not the same message", a, b)
	one.trap = "equal text at the same second"
	for range 3 {
		it := *one
		it.MessageID = m.id()
		m.add(&it)
	}

	id := m.id()
	m.trap("ids that differ in case", func(it *item) { it.MessageID = strings.ToLower(id) })
	m.trap("ids that differ in case", func(it *item) { it.MessageID = strings.ToUpper(id) })
	m.trap("very long id", func(it *item) { it.MessageID = m.id() + strings.Repeat("-0123456789", 200) })
	m.trap("id that breaks out of a header",
		func(it *item) { it.MessageID = m.id() + "\r\nBcc: <evil@" + partner + ">\r\n\r\n" })
	m.trap("id that climbs out of a folder", func(it *item) { it.MessageID = "../../settings/" + m.id() + "?x=1#y" })
}

// pieceTraps adds long messages. Texts of the collection that are too long for one SMS also come in parts.
func (m *maker) pieceTraps() {
	whole := texts()
	m.inPieces(strings.Repeat(whole[9].body+" ", 5), m.staff[8], m.outside[8], "in pieces", nil)
	m.inPieces(strings.Repeat("Größe ✓ "+whole[15].body+" ", 4), m.staff[9], m.outside[9], "in pieces", nil)
	m.trap("the only piece", func(it *item) { it.SegmentedData = segment{"seg-" + m.id(), 1, 1} })
	m.lacking("segmentedData of the wrong type", func(it *item) { it.SegmentedData = "1 of 3" })
}

// longAgo adds items that were archived more than 14 days ago: what they lack will never arrive.
func (m *maker) longAgo() {
	whole := texts()
	m.inPieces(threePieces(whole[21].body), m.staff[11], m.outside[11], "second piece lost", map[int]bool{2: true})
	m.inPieces(threePieces(whole[22].body), m.staff[12], m.outside[12], "first piece lost", map[int]bool{1: true})

	path := contents + "out-of-reach.wav"
	// RetryAfter is the shortest pause, because a person waits for the local run.
	m.day.Contents = append(m.day.Contents, Content{Path: path, Type: "audio/wav", Status: 503, RetryAfter: "1"})
	f := makeRecording("out-of-reach.wav", 440, 2*time.Second)
	it := m.call("CALL_AUDIO", m.staff[13], "Answered", 2*time.Second)
	it.at = m.end.Add(-15*24*time.Hour - 5*time.Hour)
	it.MessageTime, it.ArchivedTime = formatTime(it.at.Add(-time.Hour)), formatTime(it.at)
	it.Attachment, it.gone, it.trap = []attachment{f.linked(path)}, 1, "attachment out of reach for 15 days"
	m.add(it)
}

// threePieces returns a text that is sent in three parts.
func threePieces(body string) string { return string([]rune(strings.Repeat(body+" ", 20))[:400]) }

// mappingTraps adds items for which it is not obvious to which mailboxes they belong.
func (m *maker) mappingTraps() {
	send := func(name string, p *person, edit func(*item)) {
		it := m.sms(p, ordinary, p, m.friend(p))
		it.trap = name
		if edit != nil {
			edit(it)
		}
		m.add(it)
	}
	for i, name := range []string{"alias", "principal name as address", "apostrophe in the address",
		"only in the mapping file", "second phone",
		"shared mailbox", "mapping file wins", "leaver", "several addresses", "number that was handed on"} {
		send(name, m.odd[i], nil)
	}
	for i, name := range []string{"guest", "unlicensed", "on-premises mailbox", "no mailbox", "neither address valid",
		"nobody's phone",
		"address that is none", "address of another firm", "address that breaks out of a filter"} {
		send(name, m.nobody[i], nil)
	}
	for s := range spellings {
		send("mapped number in another spelling", m.csvOnly, func(it *item) { it.From = m.csvOnly.as(s) })
	}
	for _, p := range m.staff[20:23] {
		send("mapping file names no mailbox", p, nil)
	}
	send("late message for who held the number before", m.before,
		func(it *item) { it.MessageTime = formatTime(it.at.Add(-12 * 24 * time.Hour)) })

	m.add(nameTrap(m.sms(m.csvOnly, ordinary, m.csvOnly, m.pager), "two phones of one mailbox"))
	m.trap("one mailbox by several addresses", func(it *item) {
		p := m.alias.as(plus)
		q := m.alias.as(bare)
		q.Email = " Isolde@" + strings.ToUpper(company) + "\t"
		it.To, it.boxes = []party{p, q}, boxesOf(it.from, m.alias)
	})
	m.trap("owner is not among them", func(it *item) {
		it.Msisdn, it.From, it.boxes = national.of(m.csvOnly.number), m.outside[1].as(plus), m.csvOnly.boxes
	})
	// The mapping file has the numbers of some of the staff, but not this one's.
	m.trap("owner is not among them and not mapped", func(it *item) {
		it.Msisdn, it.From, it.boxes = m.staff[4].number, m.outside[1].as(plus), nil
	})
	m.trap("address without a number", func(it *item) {
		it.From = party{Email: m.staff[4].email, FullName: fullName{First: "Eleanor"}}
		it.Msisdn, it.boxes = "", m.staff[4].boxes
	})
	m.trap("no participants", func(it *item) { it.From, it.To, it.Msisdn, it.boxes = nil, nil, nil, nil })
	m.trap("empty participants", func(it *item) { it.From, it.To, it.Msisdn, it.boxes = party{}, []party{{}}, "", nil })
	m.trap("withheld number", func(it *item) {
		it.From, it.To = party{Value: "Withheld"}, []party{it.from.as(plus)}
	})

	// The message names 500 recipients; the mailboxes of all participants receive it.
	crowd := append([]*person{}, m.outside[:590]...)
	crowd = append(crowd, m.staff[:9]...)
	it := m.sms(m.staff[9], "Depot closed tomorrow because of the snow, please tell everybody on your list", m.staff[9],
		append(crowd, m.csvOnly)...)
	it.GroupMessage, it.GroupName, it.trap = true, "Everybody who ever came to the depot", "601 participants"
	m.add(it)
}

func nameTrap(it *item, trap string) *item {
	it.trap = trap
	return it
}

// timeTraps adds impossible times, and unusual ones that are valid.
func (m *maker) timeTraps() {
	for _, t := range []any{
		"57300-03-01T12:00:00Z", "+57300-03-01T12:00:00Z", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z",
		"0000-00-00T00:00:00Z",
		fmt.Sprint(m.start.UnixMilli()), m.start.UnixMilli(), m.start.Format("2006-01-02T15:04:05"),
		m.start.Format("02/01/2006 15:04"),
		m.start.Format(time.RFC1123Z), m.start.Format("2006-01-02") + "T25:61:00Z", "yesterday", "", nil,
		formatTime(m.end.Add(26 * time.Hour)),
	} {
		m.unreadable("impossible messageTime", func(it *item) { it.MessageTime = t })
	}
	for _, form := range []string{
		"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.000Z07:00", time.RFC3339} {
		for _, offset := range []int{0, 19800, -34200, 50400} {
			zone := time.FixedZone("", offset)
			m.trap("messageTime with fraction or offset", func(it *item) {
				it.MessageTime = it.at.Add(-7*time.Minute - 123456789).In(zone).Format(form)
			})
		}
	}
	m.trap("clock of the phone is 23 hours fast",
		func(it *item) { it.MessageTime = formatTime(it.at.Add(23 * time.Hour)) })
	for _, t := range []any{nil, "", "yesterday", 1763889000000, "57300-03-01T12:00:00Z"} {
		m.trap("archivedTime missing or unreadable", func(it *item) {
			_, it.lacks = t.(int)
			it.ArchivedTime = t
		})
	}
	it := m.call("CALL_LOG", m.staff[1], "Answered", time.Minute)
	it.CallInfo = callInfo{ID: "call-x", Status: "Answered", Start: "57300-03-01T12:00:00Z",
		Answer: "1970-01-01T00:00:00Z", End: "soon", Duration: -5}
	it.lacks = true // a negative duration
	m.add(nameTrap(it, "impossible times in callInfo"))
}

// shapeTraps adds items whose JSON violates the contract.
func (m *maker) shapeTraps() {
	m.unreadable("messageId of the wrong type", func(it *item) { it.MessageID = 4711 })
	m.unreadable("messageId of the wrong type", func(it *item) { it.MessageID = []string{m.id()} })
	m.unreadable("textContent of the wrong type",
		func(it *item) { it.TextContent = map[string]string{"body": ordinary} })
	m.unreadable("textContent of the wrong type", func(it *item) { it.TextContent = 12345 })
	m.unreadable("nothing in it at all", func(it *item) { *it = item{at: it.at, trap: it.trap, fate: quarantined} })

	m.lacking("wrong type elsewhere", func(it *item) { it.Subject = 42 })
	m.lacking("wrong type elsewhere", func(it *item) { it.MessageType = 7 })
	m.lacking("wrong type elsewhere",
		func(it *item) { it.GroupMessage, it.GroupName, it.GroupID = "true", []string{"Ops"}, 17 })
	m.lacking("wrong type elsewhere", func(it *item) {
		it.Direction, it.Status, it.ContentType, it.Network = false, 3, []int{}, map[string]int{}
	})
	m.lacking("wrong type elsewhere", func(it *item) { it.To = "everybody" })
	m.lacking("wrong type elsewhere", func(it *item) { it.To = it.to[0].as(plus) })
	m.lacking("wrong type elsewhere", func(it *item) {
		it.To, it.From = []party{it.from.as(plus)}, "+"+m.outside[2].number
	})
	m.lacking("wrong type elsewhere", func(it *item) { it.CallInfo = "none" })
	m.trap("null", func(it *item) { it.Subject, it.GroupName, it.CallInfo = null, null, null })

	m.trap("unknown messageType", func(it *item) { it.MessageType = "RCS" })
	m.trap("unknown messageType", func(it *item) { it.MessageType = nil })
	m.trap("messageType in lower case", func(it *item) { it.MessageType = "sms" })
	m.trap("unknown status and direction", func(it *item) { it.Status, it.Direction = "Queued for later", "Sideways" })
	m.trap("hardly a field", func(it *item) {
		it.Network, it.ArchivedTime, it.Direction, it.Status, it.TextContent, it.ContentType, it.Subject =
			nil, nil, nil, nil, nil, nil, nil
	})
	m.trap("unknown fields", func(it *item) {
		it.Device = json.RawMessage(
			`{"a":[1e999,-0,{"b":{"c":[[[[[[[[true,null]]]]]]]]}}],"":"","messageId":"not this one","\u0000":"x"}`)
	})
	m.trap("white space between the tokens", func(it *item) { it.indent = true })
}

// null is the value of a field that is present and null.
var null = json.RawMessage("null")
