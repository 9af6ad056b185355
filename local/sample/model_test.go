package sample

import (
	stdcmp "cmp"
	"encoding/base64"
	"encoding/csv"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestExpect counts the day a second time: out of the items' JSON, the mapping file and the users, by the
// written rules and as plainly as can be. What the maker counted on the way must be the same.
func TestExpect(t *testing.T) {
	for _, texts := range []int{0, 400} {
		d := MakeSmall(end, texts)
		if diff := cmp.Diff(d.Expect, newModel(t, d).count(d)); diff != "" {
			t.Errorf("with %d texts the maker's counts and those out of the items differ (-made +counted): %s", texts,
				diff)
		}
	}
	d := made()
	got := newModel(t, d).count(d)
	if diff := cmp.Diff(d.Expect, got); diff != "" {
		t.Errorf("the maker's counts and those out of the items differ (-made +counted): %s", diff)
	}
	e := d.Expect
	if e.Items != e.Archived+e.Unmapped+e.Excluded+e.Quarantined || e.Items != len(d.Items) {
		t.Errorf("records do not add up: %+v", e)
	}
	if e.Planned != e.Imported+e.Duplicate+e.Oversize {
		t.Errorf("copies do not add up: %+v", e)
	}
	sum := 0
	for _, n := range e.Messages {
		sum += n
	}
	if sum != e.Imported {
		t.Errorf("%d messages in the mailboxes, %d imported", sum, e.Imported)
	}
	for _, u := range d.Users {
		if u.MailboxCode != "" && e.Messages[u.ID] > 0 {
			t.Errorf("%s has no mailbox and %d messages", u.DisplayName, e.Messages[u.ID])
		}
	}
	if e.Duplicate < 300 || e.Unmapped < 50 || e.Excluded != 25 || e.Quarantined < 15 || e.Incomplete < 10 ||
		e.LeftOut != 12 || e.Others != 2 || e.Differing != 4 {
		t.Errorf("too little of something: %+v", e)
	}
}

type model struct {
	users    map[string]string // valid address: user id
	rows     map[string][][]string
	contents map[string]Content
}

func newModel(t *testing.T, d *Day) *model {
	m := &model{map[string]string{}, map[string][][]string{}, map[string]Content{}}
	for _, u := range d.Users {
		if u.MailboxCode == "" {
			for _, a := range append([]string{u.UPN, u.Mail}, u.Proxy...) {
				m.users[strings.ToLower(a)] = u.ID
			}
		}
	}
	text, ok := strings.CutPrefix(string(d.Mapping), "\ufeff")
	if !ok {
		t.Error("the mapping file has no byte order mark")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		n := tenDigits(r[0])
		m.rows[n] = append(m.rows[n], r)
	}
	for _, c := range d.Contents {
		m.contents[c.Path] = c
	}
	return m
}

// tenDigits is the national number, however it is written.
func tenDigits(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c >= '0' && c <= '9' {
			b.WriteRune(c)
		}
	}
	if n := b.String(); len(n) >= 10 {
		return n[len(n)-10:]
	}
	return ""
}

func (m *model) count(d *Day) Expectation {
	e := Expectation{Kinds: map[string]int{}, Messages: map[string]int{}}
	type message struct {
		id, text string
		people   string
		boxes    map[string]bool
		records  int
		first    int64
	}
	held := map[string]map[string]bool{} // id, mailbox
	came := map[string]message{}         // id: what came first
	keep := func(g message) {
		if len(g.boxes) == 0 {
			e.Unmapped += g.records
			return
		}
		e.Archived += g.records
		if held[g.id] == nil {
			held[g.id], came[g.id] = map[string]bool{}, g
		}
		first := came[g.id]
		differs := first.text != g.text || first.people != g.people
		if differs {
			e.Others += g.records
			e.Differing += len(g.boxes)
		}
		for box := range g.boxes {
			e.Planned++
			if held[g.id][box] {
				e.Duplicate++
				continue
			}
			held[g.id][box] = true
			e.Imported++
			e.Messages[box]++
		}
	}
	pieces := map[string]*message{}
	objects := decodeAll(d)
	for i, it := range d.Items {
		o := objects[i]
		kind, _ := o["messageType"].(string)
		e.Items++
		e.Kinds[strings.ToUpper(kind)]++
		at, ok := m.readable(o)
		if kind == "SYSTEM" {
			e.Excluded++
			continue
		}
		if !ok {
			e.Quarantined++
			continue
		}
		text, _ := o["textContent"].(string)
		g := message{text: text, people: people(o), boxes: m.boxes(o, at), records: 1}
		if lacks(o) {
			e.LeftOut++
		}
		if g.id, _ = o["messageId"].(string); g.id == "" {
			g.id = hexSHA256(it.Raw)
		}
		if gone := m.gone(o); gone > 0 {
			e.Incomplete++
			e.Gone += gone
		}
		seg, ok := o["segmentedData"].(map[string]any)
		if !ok {
			keep(g)
			continue
		}
		g.first = number(seg["pieceNumber"])
		id := seg["segmentedId"].(string)
		switch whole := pieces[id]; {
		case whole == nil:
			pieces[id] = &g
		case whole.first > g.first:
			g.records += whole.records
			pieces[id] = &g
		default:
			whole.records++
		}
	}
	for _, g := range pieces {
		keep(*g)
	}
	return e
}

// readable returns when the message was sent, and whether it can be archived at all.
func (m *model) readable(o map[string]any) (time.Time, bool) {
	for _, field := range []string{"messageId", "textContent"} {
		if v, there := o[field]; there {
			if _, ok := v.(string); !ok {
				return time.Time{}, false
			}
		}
	}
	s, _ := o["messageTime"].(string)
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.Year() < 2000 {
		return at, false
	}
	s, _ = o["archivedTime"].(string)
	archived, err := time.Parse(time.RFC3339, s)
	return at, err != nil || at.Sub(archived) <= 24*time.Hour
}

// people are the numbers of sender and recipients, in order, however they are spelt.
func people(o map[string]any) string {
	to, _ := o["to"].([]any)
	var all []string
	for _, p := range append([]any{o["from"]}, to...) {
		p, _ := p.(map[string]any)
		value, _ := p["value"].(string)
		all = append(all, stdcmp.Or(tenDigits(value), value))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), "|")
}

// lacks reports whether a field other than those that must be readable has another JSON type than the contract's.
func lacks(o map[string]any) bool {
	for field, sample := range map[string]any{"messageType": "", "network": "", "msisdn": "", "archivedTime": "",
		"direction": "", "status": "",
		"from": map[string]any{}, "to": []any{}, "groupMessage": true, "dialogGroupId": "", "dialogGroupName": "",
		"subject": "", "contentType": "",
		"attachment": []any{}, "callInfo": map[string]any{}, "segmentedData": map[string]any{}} {
		if v := o[field]; v != nil && reflect.TypeOf(v) != reflect.TypeOf(sample) {
			return true
		}
	}
	list, _ := o["attachment"].([]any)
	for _, a := range list {
		if _, text := a.(map[string]any)["attachSize"].(string); text {
			return true
		}
	}
	call, _ := o["callInfo"].(map[string]any)
	return number(call["callDurationInMillis"]) < 0
}

func (m *model) boxes(o map[string]any, at time.Time) map[string]bool {
	boxes := map[string]bool{}
	look := func(value, email string) {
		if box := m.byNumber(value, at); box != "" {
			boxes[box] = true
			return
		}
		for _, a := range strings.FieldsFunc(email, func(c rune) bool { return strings.ContainsRune(";, \t\r\n", c) }) {
			if box := m.users[strings.ToLower(a)]; box != "" {
				boxes[box] = true
			}
		}
	}
	people, _ := o["to"].([]any)
	for _, p := range append([]any{o["from"]}, people...) {
		if p, ok := p.(map[string]any); ok {
			value, _ := p["value"].(string)
			email, _ := p["email"].(string)
			look(value, email)
		}
	}
	owner, _ := o["msisdn"].(string)
	look(owner, "") // if it is among them, this finds the same mailbox again
	return boxes
}

func (m *model) byNumber(value string, at time.Time) string {
	day := at.UTC().Format(time.DateOnly)
	for _, r := range m.rows[tenDigits(value)] {
		if (r[2] == "" || r[2] <= day) && (r[3] == "" || day <= r[3]) {
			return m.users[strings.ToLower(strings.TrimSpace(r[1]))]
		}
	}
	return ""
}

// gone is how many of the item's attachments can't be had.
func (m *model) gone(o map[string]any) int {
	n := 0
	list, _ := o["attachment"].([]any)
	for _, a := range list {
		a := a.(map[string]any)
		var data []byte
		ok := false
		if s, there := a["content"].(string); there {
			s = strings.NewReplacer("\r", "", "\n", "", " ", "", "=", "", "-", "+", "_", "/").Replace(s)
			var err error
			data, err = base64.RawStdEncoding.DecodeString(s)
			ok = err == nil
		} else if path, there := a["contentUrl"].(string); there {
			c, found := m.contents[path]
			data, ok = c.Data, found && c.Status == 0
		}
		if want, there := a["digest"].(string); there && !strings.EqualFold(want, hexSHA256(data)) {
			ok = false
		}
		if !ok {
			n++
		}
	}
	return n
}
