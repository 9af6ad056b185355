package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"o2archiver/local/sample"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/record"
)

// letter is a message as a person finds it in a mailbox, aspect by aspect: the subject, the text, each line of the
// block below it, each header. Two letters are the same if all aspects are equal.
type letter map[string]string

// ruler separates the text of a message from the block about the item.
const ruler = "----------------------------------------\r\n"

var (
	// invented are the addresses that a message has for a number without a known one: the archiver's, or the vendor's.
	invented = regexp.MustCompile(`[0-9a-z.+-]+@(sms\.o2archiver\.invalid|unknown\.contoso\.example)$`)
	// inventedInBlock is the vendor's in a line of the block, where the archiver's is not.
	inventedInBlock = regexp.MustCompile(`, [0-9]+@unknown\.contoso\.example`)
	// given is how one of several owners' items spells a number. Any of them may be the first that is imported.
	given = regexp.MustCompile(`, given as ("[^"]*"|[^,]*)`)
	// length is the length of a call in its subject.
	length = regexp.MustCompile(` \((\d+ (h|min|s) ?)+\)| \(under 1 s\)`)
)

// letterOf returns the message without what differs between any two runs: identifiers of the store, and when it was
// created.
func letterOf(m mailboxtest.Message) letter {
	l := letter{
		"class": m.Class, "folder": m.FolderName, "state": fmt.Sprint(m.Draft, m.Read), "form": m.TextType,
		"subject": m.Subject, "sent": m.Sent.String(), "message id": m.InternetMessageID,
	}
	people := func(name string, all ...mailboxtest.Address) {
		for _, a := range all {
			l[name] += a.Name + " <" + invented.ReplaceAllString(a.Address, "unknown") + ">\n"
		}
	}
	if m.From != nil {
		people("from", *m.From)
	}
	people("to", m.To...)
	people("others", slices.Concat(m.Cc, m.Bcc, m.ReplyTo)...)
	for _, a := range m.Attachments {
		l["files"] += fmt.Sprintf("%s %s %s %v\n", a.Name, a.Type, a.SHA256, a.Inline)
	}
	for _, h := range m.Headers {
		l["header "+h.Name] = h.Value
	}
	for id, value := range m.Properties {
		l["property "+id[strings.LastIndex(id, " ")+1:]] = value
	}
	at := strings.LastIndex(m.Text, ruler)
	if at < 0 {
		l["text"] = m.Text
		return l
	}
	l["text"] = m.Text[:at]
	for i, line := range strings.Split(m.Text[at+len(ruler):], "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		if i == 0 {
			name, value = "note", line
		}
		if name == "From" || name == "To" {
			value = given.ReplaceAllString(inventedInBlock.ReplaceAllString(value, ""), "")
		}
		l["block "+name] += value + "\n"
	}
	return l
}

// origin is what the day knows about the item of a message.
type origin struct {
	trap    string
	call    bool
	piece   bool // of a long SMS
	named   bool // its sender is a name, in place of a number
	several bool // a participant has several addresses
	unknown bool // no item has the identity
}

// origins returns the origins of messages by their identities. Where several items have one, the first counts.
func origins(day *sample.Day) map[string]origin {
	all := map[string]origin{}
	for _, it := range day.Items {
		var item struct {
			MessageID     any `json:"messageId"`
			MessageType   any `json:"messageType"`
			SegmentedData any `json:"segmentedData"`
			From          any `json:"from"`
			To            any `json:"to"`
		}
		_ = json.Unmarshal(it.Raw, &item)
		id, _ := item.MessageID.(string)
		if id == "" {
			sum := sha256.Sum256(it.Raw)
			id = "sha256:" + hex.EncodeToString(sum[:])
		}
		if _, there := all[id]; there {
			continue
		}
		segment, _ := item.SegmentedData.(map[string]any)
		total, _ := segment["totalPieces"].(float64)
		kind, _ := item.MessageType.(string)
		from, _ := item.From.(map[string]any)
		value, _ := from["value"].(string)
		people, _ := item.To.([]any)
		all[id] = origin{trap: it.Trap, call: strings.HasPrefix(kind, "CALL"), piece: total > 1,
			named:   strings.ContainsFunc(value, unicode.IsLetter),
			several: slices.ContainsFunc(append(people, item.From), hasAddresses)}
	}
	return all
}

// hasAddresses returns whether a participant of an item has several addresses.
func hasAddresses(participant any) bool {
	p, _ := participant.(map[string]any)
	email, _ := p["email"].(string)
	return strings.Count(email, "@") > 1
}

// difference is something that an EML cannot state, so that a message which came as one differs from that of the item.
type difference struct {
	reason    string
	of        func(o origin) bool
	aspects   []string // that may differ, or their beginnings; none: there is a message on one side only
	sometimes bool     // it depends on the form that the vendor chose, or on the order of imports
	times     int      // how often it must be found; 0: at least once
	found     int
}

func ofAll(origin) bool         { return true }
func ofCalls(o origin) bool     { return o.call }
func ofPieces(o origin) bool    { return o.piece }
func ofNamed(o origin) bool     { return o.named }
func ofSeveral(o origin) bool   { return o.several }
func ofStrangers(o origin) bool { return o.unknown }

// ofTraps returns whether an item is one of those.
func ofTraps(traps ...string) func(origin) bool {
	return func(o origin) bool { return slices.Contains(traps, o.trap) }
}

// differences are all that the comparison allows. Each must be found, so that the list has none that is not needed.
func differences() []*difference {
	text := []string{"text", "block note", "subject"}
	with := func(some ...string) []string { return append(some, text...) }
	return []*difference{
		{reason: "which phone archived the item, and so its direction, stands in no field that is known", of: ofAll,
			aspects: []string{"block Owner of the archived phone", "block Direction", "header X-O2-Owner"}},
		{reason: "only the owner of the phone has a mailbox, and is not among the participants",
			of: ofTraps("owner is not among them")},
		{reason: "an EML does not state when the item was archived", of: ofAll,
			aspects: []string{"block Reached the archive"}},
		{reason: "the original is the EML, not the item of the site", of: ofAll,
			aspects: []string{"block SHA-256 of the original item", "header X-O2-Original-Sha256"}},
		{reason: "a date of a mail is written otherwise", of: ofAll, aspects: []string{"block Time, as given"}},
		{reason: "a date of a mail has no fractions of a second", of: ofTraps("messageTime with fraction or offset"),
			aspects: []string{"block Time"}},
		{reason: "an EML has no fields for a call, and states it in its text", of: ofCalls,
			aspects: with("block Call ", "block Ring time", "block Talk time", "block Status")},
		{reason: "an EML does not state that it is a part of a long SMS, so each part is a message",
			of: ofPieces, aspects: with("block Part ")},
		{reason: "the other parts of a long SMS are messages of their own", of: ofPieces},
		{reason: "an attachment that the source does not have is not in the EML, which does not say so",
			of: ofTraps("attachment is not there", "attachment on another host", "redirect to another host",
				"wrong digest", "broken Base64", "neither bytes nor address", "one of three is gone",
				"attachment out of reach for 15 days"), aspects: with("block Attachment", "files")},
		{reason: "a content type that is none, or that of a structure, is not that of a file in an EML",
			of: ofTraps("odd content types"), aspects: []string{"text", "block Attachment", "files"}},
		{reason: "what has a wrong JSON type in an item is missing in an EML, which has texts only",
			of: ofTraps("wrong type elsewhere", "archivedTime missing or unreadable", "size of the wrong type",
				"segmentedData of the wrong type", "impossible times in callInfo"), aspects: with("block Left out")},
		{reason: "a text of a wrong JSON type is missing in an EML, and the item is not quarantined for it",
			of: ofTraps("textContent of the wrong type")},
		{reason: "an identity of a wrong JSON type is missing in an EML, and the item is not quarantined for it",
			of: ofStrangers, times: 2},
		{reason: "without an identity of the vendor's it is the hash of the EML, not of the item",
			of: ofTraps("no messageId", "empty messageId", "no messageId, twice", "very long id",
				"id that breaks out of a header"),
			aspects: []string{"message id", "block Source id", "header X-O2-Message-Id", "property ArchiveKey",
				"subject"}},
		{reason: "UTF-8 has no lone surrogates", of: ofTraps("lone surrogate", "odd name"),
			aspects: with("to", "block To")},
		{reason: "a name in a header has no line ends", of: ofTraps("name that breaks out of a header"),
			aspects: []string{"block From"}},
		{reason: "a participant has one address in an EML", of: ofSeveral,
			aspects: []string{"block From", "block To"}},
		{reason: "the other addresses of a participant are not in the EML", of: ofSeveral},
		{reason: "a sender without a number is a name, unless the subject has it in the number's place", of: ofNamed,
			aspects: []string{"block From", "block Conversation", "header X-O2-Conversation", "property 0x1039",
				"property 0x1042"}, sometimes: true},
		{reason: "a text of more than 4 MiB is cut, and attached as a whole",
			of:      ofTraps("text too long for one request"),
			aspects: with("files", "block Left out", "block Attachment")},
		{reason: "of two messages with one identity the one that is imported first counts, if they are in two batches",
			of:      ofTraps("same id, other content", "same id, another owner's view of the group"),
			aspects: with("to", "block ", "header ", "property "), sometimes: true},
	}
}

// comparison compares the mailboxes of two runs of one day.
type comparison struct {
	allowed []*difference
	same    int
	strange map[string]int
	example map[string]string
}

// allow returns whether a difference is allowed, and counts it.
func (c *comparison) allow(o origin, aspect string) bool {
	for _, d := range c.allowed {
		if d.of(o) && (aspect == "" && len(d.aspects) == 0 ||
			slices.ContainsFunc(d.aspects, func(a string) bool { return a != "" && strings.HasPrefix(aspect, a) })) {
			d.found++
			return true
		}
	}
	return false
}

// compare compares two letters, of which one may be nil.
func (c *comparison) compare(o origin, item, mail letter) {
	what := fmt.Sprintf("trap %q, call %v, piece %v: ", o.trap, o.call, o.piece)
	if item == nil || mail == nil {
		if !c.allow(o, "") {
			c.note(what+"only as item or only as EML", fmt.Sprint(item["subject"], " | ", mail["subject"]))
		}
		return
	}
	if o.call {
		item["subject"] = length.ReplaceAllString(item["subject"], "")
	}
	names := maps.Clone(item)
	maps.Copy(names, mail)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		switch {
		case item[name] == mail[name]:
			c.same++
		case !c.allow(o, name):
			c.note(what+name, fmt.Sprintf("%.300q, as EML %.300q", item[name], mail[name]))
		}
	}
}

func (c *comparison) note(what, example string) {
	c.strange[what]++
	c.example[what] = example
}

// compareMailboxes compares what two runs of one day have put into the mailboxes: as items of the site and as EML.
func compareMailboxes(t *testing.T, day *sample.Day, items, mails *mailboxtest.Graph) {
	t.Helper()
	c := &comparison{allowed: differences(), strange: map[string]int{}, example: map[string]string{}}
	known := origins(day)
	for _, u := range day.Users {
		of := map[string]origin{} // by key
		for id, o := range known {
			of[record.Key("", id, u.ID)] = o
		}
		asItems, asMails := lettersOf(items, u.ID), lettersOf(mails, u.ID)
		for key, item := range asItems {
			mail, there := asMails[key]
			if !there { // without an identity of the vendor's it has another key
				for other, each := range asMails {
					if _, known := of[other]; !known && each["sent"] == item["sent"] && each["text"] == item["text"] {
						mail, key = each, key+" "+other
					}
				}
			}
			own, other, _ := strings.Cut(key, " ")
			c.compare(of[own], item, mail)
			delete(asMails, own)
			delete(asMails, other)
		}
		for key, mail := range asMails {
			o, known := of[key]
			o.unknown = !known
			c.compare(o, nil, mail)
		}
	}
	for _, what := range slices.Sorted(maps.Keys(c.strange)) {
		t.Errorf("%d × %s: %s", c.strange[what], what, c.example[what])
	}
	for _, d := range c.allowed {
		if d.found == 0 && !d.sometimes || d.times > 0 && d.found != d.times {
			t.Errorf("%d differences because %s", d.found, d.reason)
		}
	}
	t.Logf("%d aspects are the same", c.same)
}

// lettersOf returns the letters in a mailbox by their keys.
func lettersOf(g *mailboxtest.Graph, user string) map[string]letter {
	all := map[string]letter{}
	for _, m := range g.Messages(user) {
		key, _ := m.Property("ArchiveKey")
		all[key] = letterOf(m)
	}
	return all
}
