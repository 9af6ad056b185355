package sample

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// chatter sends every text of the collection once: to and from people outside the company, between colleagues, and in
// groups. Advertising comes from short codes and strangers.
func (m *maker) chatter(all []text) {
	for _, t := range all {
		owner := m.pick(m.staff)
		switch n := m.rng.IntN(100); {
		case t.spam:
			m.spam(owner, t.body)
		case utf8.RuneCountInString(t.body) > 459: // more than three parts: no phone sends a longer text as one SMS
			m.inPieces(t.body, owner, m.friend(owner), "", nil)
		case n < 4:
			m.group(owner, t.body)
		case n < 16:
			m.colleagues(owner, m.pick(m.staff), t.body)
		case n < 19:
			m.private(m.pick(m.odd), t.body)
		case n < 21:
			m.private(m.pick(m.nobody), t.body)
		default:
			m.private(owner, t.body)
		}
	}
}

// friend returns one of twelve people whom the owner writes to, so that there are conversations.
func (m *maker) friend(owner *person) *person {
	first := int(owner.number[len(owner.number)-1]-'0')*61 + int(owner.number[len(owner.number)-2]-'0')*13
	return m.outside[(first+m.rng.IntN(12))%len(m.outside)]
}

// sms returns a text message of the owner's phone, at a random time of the day.
func (m *maker) sms(owner *person, body any, from *person, to ...*person) *item {
	it := m.compose("SMS", owner, m.moment(), from, to...)
	it.TextContent, it.ContentType = body, "text/plain"
	return it
}

// spam adds an advertising text to the owner.
func (m *maker) spam(owner *person, body string) {
	from := m.pick(m.senders)
	if m.rng.IntN(3) == 0 {
		from = m.pick(m.outside)
	}
	m.add(m.sms(owner, body, from, owner))
}

// between returns sender and recipient of a message between the two, in random order.
func (m *maker) between(owner, other *person) (from, to *person) {
	if m.rng.IntN(2) == 0 {
		return owner, other
	}
	return other, owner
}

// private adds a text between the owner and a friend.
func (m *maker) private(owner *person, body string) {
	from, to := m.between(owner, m.friend(owner))
	m.add(m.sms(owner, body, from, to))
}

// colleagues adds a text from one company phone to another. Usually both phones archive it.
func (m *maker) colleagues(from, to *person, body string) {
	if from == to {
		m.private(from, body)
		return
	}
	it := m.sms(from, body, from, to)
	m.add(it)
	if m.rng.IntN(3) > 0 {
		m.add(m.copyFor(it, to))
	}
}

// group adds a text of a group conversation. What the source states about the group is as unreliable as in real
// archives: a new ID for every message, or nothing at all.
func (m *maker) group(owner *person, body string) {
	mate := m.staff[(m.rng.IntN(len(m.staff)-1)+1)%len(m.staff)]
	to := []*person{m.friend(owner), mate, m.friend(mate)}
	if mate == owner {
		to = to[:1]
	}
	it := m.sms(owner, body, owner, to...)
	switch m.rng.IntN(3) {
	case 0:
		it.GroupMessage, it.GroupID, it.GroupName =
			true, fmt.Sprintf("g%08x", m.rng.Uint32()), "Saturday shift and cover"
	case 1:
		it.GroupMessage, it.GroupID = true, "g"+owner.number[9:]
	}
	m.add(it)
	if mate != owner && m.rng.IntN(2) == 0 {
		m.add(m.copyFor(it, mate))
	}
}

// inPieces adds a long SMS that the source archived in parts, each with an ID of its own, in any order and at any time
// of the day. The parts whose numbers are in lost are left out.
func (m *maker) inPieces(body string, owner, other *person, trap string, lost map[int]bool) {
	const room = 153 // characters of one part: the rest of 160 is its header
	runes := []rune(body)
	total := (len(runes) + room - 1) / room
	base := m.sms(owner, "", owner, other)
	id := fmt.Sprintf("seg-%08x", m.rng.Uint32())
	var pieces []*item
	for i := range total {
		p := *base
		p.at, p.MessageID, p.trap = m.moment(), m.id(), trap
		p.MessageTime, p.ArchivedTime =
			formatTime(m.start.Add(-time.Hour).Add(time.Duration(i)*time.Second)), formatTime(p.at)
		p.TextContent = string(runes[i*room : min((i+1)*room, len(runes))])
		p.SegmentedData = segment{id, i + 1, total}
		if len(lost) > 0 { // a part never arrives, so the message must be older than 14 days
			p.at = m.end.Add(-15*24*time.Hour - 6*time.Hour + time.Duration(i)*time.Minute)
			p.MessageTime, p.ArchivedTime = formatTime(p.at.Add(-time.Minute)), formatTime(p.at)
		}
		if !lost[i+1] {
			pieces = append(pieces, &p)
		}
	}
	m.addPieces(pieces)
}

// pictures adds MMS: photographs, contact cards, and some with a subject.
func (m *maker) pictures() {
	shots := makeGallery(14)
	lines := []string{"", "This is the damage on the nearside door", "Is this the right valve for the boiler?",
		"Look who turned up at the depot today"}
	for i := range 40 {
		owner, body := m.pick(m.staff), lines[i%len(lines)]
		from, to := m.between(owner, m.friend(owner))
		it := m.compose("MMS", owner, m.moment(), from, to)
		it.TextContent, it.ContentType = body, "text/plain"
		files := []attachment{shots[i%len(shots)].inline()}
		switch i % 8 {
		case 3:
			files = append(files, makeCard(m.friend(owner)).inline())
		case 5:
			files = append(files, shots[(i+3)%len(shots)].inline())
			it.Subject = "Photographs of the second floor"
		}
		it.Attachment = files
		m.add(it)
	}
	for range 4 { // between colleagues: both phones archive the same bytes
		from, to := m.staff[3], m.staff[7+m.rng.IntN(5)]
		it := m.compose("MMS", from, m.moment(), from, to)
		it.Attachment = []attachment{shots[m.rng.IntN(len(shots))].inline()}
		m.add(it)
		m.add(m.copyFor(it, to))
	}
}

// calls adds 120 calls without a recording, 20 with a short one, and two with one that is too long to be inline.
func (m *maker) calls() {
	for i := range 120 {
		owner := m.pick(m.staff)
		if i%20 == 19 {
			owner = m.pick(m.nobody)
		}
		status := []string{"Answered", "Answered", "Answered", "Missed", "Rejected"}[i%5]
		m.add(m.call("CALL_LOG", owner, status, time.Duration(5+m.rng.IntN(1500))*time.Second))
	}
	for i := range 20 {
		length := 2 * time.Second
		it := m.call("CALL_AUDIO", m.pick(m.staff), "Answered", length)
		it.Attachment = []attachment{makeRecording(fmt.Sprintf("call-%d.wav", i), 220+20*(i%6), length).inline()}
		m.add(it)
	}
	for _, c := range []struct {
		name   string
		length time.Duration
	}{{"rec-long.wav", 375 * time.Second}, {"rec-middle.wav", 219 * time.Second}} { // 6.0 MB and 3.5 MB
		owner := m.staff[5]
		it := m.call("CALL_AUDIO", owner, "Answered", c.length)
		it.Attachment = []attachment{m.host(makeRecording(c.name, 330, c.length))}
		it.trap = "recording by contentUrl"
		m.add(it)
	}
}

// contents is the path at which the site serves attachments that are too large to be inline.
const contents = "/api/rest/archive/o2/content/"

// host makes the site serve the file, and returns an attachment with its address.
func (m *maker) host(f file) attachment {
	m.day.Contents = append(m.day.Contents, Content{Path: contents + f.name, Type: f.mime, Data: f.data})
	return f.linked(contents + f.name)
}

// call returns a call between the owner and a friend.
func (m *maker) call(kind string, owner *person, status string, length time.Duration) *item {
	from, to := m.between(owner, m.friend(owner))
	it := m.compose(kind, owner, m.moment(), from, to)
	start := it.at.Add(-length - time.Minute)
	info := callInfo{ID: fmt.Sprintf("call-%08x", m.rng.Uint32()), Status: status, Start: formatTime(start),
		End: formatTime(start.Add(8 * time.Second)), Duration: 0}
	if status == "Answered" {
		info.Answer, info.End, info.Duration =
			formatTime(start.Add(8*time.Second)), formatTime(start.Add(8*time.Second+length)), length.Milliseconds()
	}
	it.MessageTime, it.Status, it.CallInfo = formatTime(start), status, info
	return it
}

// heartbeats adds items that report that a phone is active: they are counted, never imported.
func (m *maker) heartbeats() {
	for i := range 25 {
		owner := m.staff[i]
		it := m.compose("SYSTEM", owner, m.moment(), owner)
		it.To, it.TextContent, it.fate = nil, []string{"Installed", "No traffic for 7 days", "Roaming"}[i%3], excluded
		m.add(it)
	}
}

// late adds messages of the last 14 days that the site stored only today.
func (m *maker) late() {
	for i := range 30 {
		owner := m.pick(m.staff)
		it := m.sms(owner, "Sorry only just got signal again, will ring when I am back on the road",
			owner, m.friend(owner))
		it.MessageTime, it.trap = formatTime(it.at.Add(-time.Duration(9+11*i)*time.Hour)), "archived late"
		m.add(it)
	}
}
