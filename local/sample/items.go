package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// item is an item of the site that is being made. The fields of the JSON have type any, so that a trap can leave one
// out (nil), set it to the wrong type, or encode it as no encoder would (json.RawMessage).
type item struct {
	MessageID     any `json:"messageId,omitempty"`
	MessageType   any `json:"messageType,omitempty"`
	Network       any `json:"network,omitempty"`
	Msisdn        any `json:"msisdn,omitempty"`
	MessageTime   any `json:"messageTime,omitempty"`
	ArchivedTime  any `json:"archivedTime,omitempty"`
	Direction     any `json:"direction,omitempty"`
	Status        any `json:"status,omitempty"`
	From          any `json:"from,omitempty"`
	To            any `json:"to,omitempty"`
	GroupMessage  any `json:"groupMessage,omitempty"`
	GroupID       any `json:"dialogGroupId,omitempty"`
	GroupName     any `json:"dialogGroupName,omitempty"`
	Subject       any `json:"subject,omitempty"`
	TextContent   any `json:"textContent,omitempty"`
	ContentType   any `json:"contentType,omitempty"`
	Attachment    any `json:"attachment,omitempty"`
	CallInfo      any `json:"callInfo,omitempty"`
	SegmentedData any `json:"segmentedData,omitempty"`
	Device        any `json:"device,omitempty"` // not in the contract: it must be kept, not interpreted

	from *person
	to   []*person

	at      time.Time
	boxes   []string // IDs of the users to whose mailboxes it belongs
	fate    fate
	gone    int  // number of attachments that are unavailable
	lacks   bool // its message lacks a field, because of the field's JSON type
	differs bool // from another item with its ID
	indent  bool // encode it with white space between the tokens
	trap    string
}

// fate is the outcome that a record must have, regardless of its participants.
type fate int

const (
	mapped fate = iota // archived or unmapped, depending on its mailboxes
	excluded
	quarantined
)

type party struct {
	Value    any `json:"value,omitempty"`
	FullName any `json:"fullName,omitempty"`
	Email    any `json:"email,omitempty"`
}

type fullName struct {
	First any `json:"firstName,omitempty"`
	Last  any `json:"lastName,omitempty"`
}

type callInfo struct {
	ID       any `json:"callID,omitempty"`
	Status   any `json:"callStatus,omitempty"`
	Start    any `json:"startTime,omitempty"`
	Answer   any `json:"answerTime,omitempty"`
	End      any `json:"endTime,omitempty"`
	Duration any `json:"callDurationInMillis,omitempty"`
}

type segment struct {
	ID     any `json:"segmentedId,omitempty"`
	Number any `json:"pieceNumber,omitempty"`
	Total  any `json:"totalPieces,omitempty"`
}

// spelling is a format of a telephone number.
type spelling int

const (
	plus     spelling = iota // +447700900123
	bare                     // 447700900123
	spaced                   // +44 7700 900123
	national                 // 07700 900123
	bracket                  // +44 (0)7700 900123
	abroad                   // 00447700900123
	spellings
)

// of returns the number, which begins with the country code, in that format.
func (s spelling) of(number string) string {
	rest, ok := strings.CutPrefix(number, "44")
	if !ok {
		return number
	}
	gap := rest[:4] + " " + rest[4:]
	return []string{"+" + number, number, "+44 " + gap, "0" + gap, "+44 (0)" + gap, "00" + number}[s]
}

// as returns the person as a participant of an item.
func (p *person) as(s spelling) party {
	out := party{Value: s.of(p.number), Email: p.email}
	if p.first != "" {
		out.FullName = fullName{p.first, p.last}
	}
	return out
}

func partiesOf(s spelling, people []*person) []party {
	out := make([]party, len(people))
	for i, p := range people {
		out[i] = p.as(s)
	}
	return out
}

// boxesOf returns the mailboxes of the people, each once.
func boxesOf(people ...*person) []string {
	var all []string
	seen := map[string]bool{}
	for _, p := range people {
		for _, b := range p.boxes {
			if !seen[b] {
				seen[b] = true
				all = append(all, b)
			}
		}
	}
	return all
}

// maker makes a day.
type maker struct {
	*roster
	day        *Day
	start, end time.Time
	rng        *rand.Rand
	serial     int
	held       map[string]map[string]bool // by message ID: the mailboxes that have the message
}

func newMaker(end time.Time) *maker {
	r := newRoster(end)
	m := &maker{roster: r, start: end.Add(-24 * time.Hour), end: end, rng: rand.New(rand.NewPCG(2011, 5574)),
		held: map[string]map[string]bool{}}
	m.day = &Day{Start: m.start, End: end, Users: r.users, Mapping: r.mapping(), secrets: newSecrets()}
	m.day.Expect.Kinds, m.day.Expect.Messages = map[string]int{}, map[string]int{}
	s := m.day.secrets
	for _, u := range r.users {
		s.address(u.UPN, u.Mail)
		s.address(u.Proxy...)
	}
	for _, row := range r.rows {
		s.address(strings.Split(row, ",")[1])
	}
	for _, group := range [][]*person{r.staff, r.odd, r.nobody, r.outside, {r.before}} {
		for _, p := range group {
			s.number(p.number)
			if p.first != "" {
				s.names[p.first+" "+p.last] = true
			}
			for one := range strings.FieldsFuncSeq(p.email,
				func(c rune) bool { return strings.ContainsRune(";, '", c) }) {
				if strings.Contains(one, "@") {
					s.address(one)
				}
			}
		}
	}
	return m
}

// id returns a message ID that is unique to this day.
func (m *maker) id() string {
	m.serial++
	d := sha256.Sum256(fmt.Appendf(nil, "%d|%d", m.end.Unix(), m.serial))
	return fmt.Sprintf("O2-%x", d[:12])
}

// moment returns a random time of the day.
func (m *maker) moment() time.Time {
	return m.start.Add(time.Duration(m.rng.IntN(24*60*60-1)) * time.Second)
}

// pick returns a random person.
func (m *maker) pick(people []*person) *person { return people[m.rng.IntN(len(people))] }

// compose returns an item of the owner's phone, archived at the given time.
func (m *maker) compose(kind string, owner *person, at time.Time, from *person, to ...*person) *item {
	said := at.Add(-time.Duration(30+m.rng.IntN(45*60)) * time.Second)
	style := spelling(m.rng.IntN(3))
	it := &item{
		MessageID: m.id(), MessageType: kind, Network: "O2", Msisdn: owner.number,
		MessageTime: formatTime(said), ArchivedTime: formatTime(at),
		Direction: "In", Status: "Delivered", From: from.as(style), To: partiesOf(style, to), Subject: "",
		from: from, to: to, at: at, boxes: boxesOf(append([]*person{from}, to...)...),
	}
	if from == owner {
		it.Direction, it.Status = "Out", []string{"Sent", "Delivered", "Delivered", "Read", "Failed"}[m.rng.IntN(5)]
	}
	if m.rng.IntN(4) == 0 {
		it.Direction = strings.ToUpper(it.Direction.(string))
	}
	if m.rng.IntN(5) == 0 {
		it.Subject = nil
	}
	return it
}

// copyFor returns the same message as archived by the phone of another participant.
func (m *maker) copyFor(it *item, owner *person) *item {
	c := *it
	c.at = it.at.Add(time.Duration(m.rng.IntN(20*60)) * time.Second)
	if last := m.end.Add(-time.Second); c.at.After(last) {
		c.at = last
	}
	c.Msisdn, c.ArchivedTime, c.Direction = owner.number, formatTime(c.at), "In"
	c.From, c.To = it.from.as(spelling(m.rng.IntN(3))), partiesOf(spelling(m.rng.IntN(int(spellings))), it.to)
	c.Device = map[string]any{"model": "handset", "os": m.rng.IntN(17)}
	return &c
}

// add adds the item to the day and updates the expectation.
func (m *maker) add(it *item) {
	raw := m.emit(it)
	switch it.fate {
	case excluded:
		m.day.Expect.Excluded++
	case quarantined:
		m.day.Expect.Quarantined++
	default:
		id, _ := it.MessageID.(string)
		if id == "" {
			id = hexSHA256(raw)
		}
		m.count(id, it, 1)
	}
}

// addPieces adds the parts of one message to the day. The first one must have the lowest number.
func (m *maker) addPieces(pieces []*item) {
	for _, p := range pieces {
		m.emit(p)
	}
	m.count(pieces[0].MessageID.(string), pieces[0], len(pieces))
}

// emit encodes the item and adds it to the day, and returns its JSON.
func (m *maker) emit(it *item) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	mustWrite(enc.Encode(it))
	raw := bytes.TrimRight(b.Bytes(), "\n")
	if it.indent {
		var wide bytes.Buffer
		mustWrite(json.Indent(&wide, raw, "", "\t"))
		raw = wide.Bytes()
	}
	m.day.Items = append(m.day.Items, Item{it.at, raw, it.trap})
	kind, _ := it.MessageType.(string)
	m.day.Expect.Items++
	m.day.Expect.Kinds[strings.ToUpper(kind)]++
	for _, v := range []any{it.TextContent, it.Subject, it.GroupName} {
		m.day.secrets.text(v)
	}
	return raw
}

// count updates the expectation for a message that consists of that many records.
func (m *maker) count(id string, it *item, records int) {
	e := &m.day.Expect
	if it.lacks {
		e.LeftOut += records
	}
	if len(it.boxes) == 0 {
		e.Unmapped += records
		return
	}
	e.Archived += records
	if it.gone > 0 {
		e.Incomplete += records
		e.Gone += it.gone
	}
	if m.held[id] == nil {
		m.held[id] = map[string]bool{}
	}
	differs := it.differs && len(m.held[id]) > 0
	if differs {
		e.Others += records
	}
	for _, box := range it.boxes {
		e.Planned++
		if differs {
			e.Differing++
		}
		if !m.held[id][box] {
			m.held[id][box] = true
			e.Imported++
			e.Messages[box]++
			continue
		}
		e.Duplicate++
	}
}

func formatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }
