package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/record"
)

// person is a person with a telephone.
type person struct{ name, number, email string }

// The people of the tenant, and Otto, who is not of it.
var (
	jane = person{"Jane", "+447700900123", "jane@contoso.example"}
	ali  = person{"Ali", "+447700900456", "ali@contoso.example"}
	kim  = person{"Kim", "+447700900789", "kim@contoso.example"} // has left: disabled, with a mailbox
	gus  = person{"Gus", "+447700900321", "gus@contoso.example"} // a guest: no mailbox
	otto = person{"Otto", "+447700900999", ""}
)

func (p person) id() string { return "1d5e7a3c-0000-4000-8000-0" + p.number[2:] }

func tenant() []mailboxtest.User {
	var users []mailboxtest.User
	for _, p := range []person{jane, ali, kim, gus} {
		u := mailboxtest.User{ID: p.id(), UPN: "upn-" + p.name + "@contoso.onmicrosoft.example", Mail: p.email,
			Proxy: []string{"second." + p.email}}
		switch p {
		case kim:
			u.Disabled = true
		case gus:
			u.MailboxCode = "MailboxNotEnabledForRESTAPI"
		}
		users = append(users, u)
	}
	return users
}

// item is an item of the source.
type item map[string]any

func (it item) with(field string, value any) item {
	it[field] = value
	return it
}

var moment = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// sms is a text message, archived by the first one's phone.
func sms(id, text string, from person, to ...person) item {
	one := func(p person) item {
		return item{"value": p.number, "email": p.email,
			"fullName": item{"firstName": p.name, "lastName": "Doe-Archive"}}
	}
	all := make([]item, len(to))
	for i, p := range to {
		all[i] = one(p)
	}
	return item{
		"messageId": id, "messageType": "SMS", "network": "O2", "msisdn": from.number[1:], "direction": "Out",
		"status":      "Delivered",
		"messageTime": moment.Format(time.RFC3339), "archivedTime": moment.Add(time.Hour).Format(time.RFC3339),
		"from": one(from), "to": all, "textContent": text,
	}
}

// line is a line of a batch before it is written: an entry, or text that is none.
type raw []byte

// line makes an entry of an item, or of the pieces of a long SMS.
func (w *world) line(items ...item) raw {
	e := record.Entry{Version: 1}
	for _, it := range items {
		media, _ := it["media"].([]record.Media)
		delete(it, "media")
		e.Media = append(e.Media, media...)
		text, err := json.Marshal(it)
		if err != nil {
			w.t.Fatal(err)
		}
		sum := sha256.Sum256(text)
		e.Items = append(e.Items, record.Item{SHA256: hex.EncodeToString(sum[:]), Raw: text})
		w.hide(it)
		if s, ok := it["segmentedData"].(item); ok {
			e.Total = s["totalPieces"].(int)
		}
	}
	out, err := json.Marshal(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// hide makes secrets of what is in the item.
func (w *world) hide(v any) {
	switch v := v.(type) {
	case string:
		switch v {
		case "Delivered", "image/png", "audio/wav", "application/octet-stream":
		default:
			w.secret(v)
		}
	case item:
		for name, v := range v {
			if name != "messageType" && name != "messageTime" && name != "archivedTime" {
				w.hide(v)
			}
		}
	case []item:
		for _, v := range v {
			w.hide(v)
		}
	}
}

// mediaDay is the day under which the attachments are stored.
const mediaDay = "2026/11/21"

// file adds an attachment to the item, whose bytes it stores as fetch does.
func (w *world) file(it item, name string, content []byte) item {
	w.t.Helper()
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	if _, _, err := w.store.Media().Put(context.Background(), mediaDay, digest, bytes.NewReader(content)); err != nil {
		w.t.Fatal(err)
	}
	list, _ := it["attachment"].([]item)
	media, _ := it["media"].([]record.Media)
	it["attachment"] = append(list,
		item{"name": name, "contentType": "application/octet-stream", "attachSize": len(content)})
	it["media"] = append(media, record.Media{SHA256: digest, Size: int64(len(content)), Day: mediaDay})
	return it.with("messageType", "MMS")
}

// noise is n bytes that are different for each seed.
func noise(n int, seed uint64) []byte {
	content := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(content)
	return content
}

// put writes a batch of the run.
func (w *world) put(lines ...raw) (name string) {
	w.t.Helper()
	return w.putIn(w.folder, len(w.batches)+1, lines...)
}

func (w *world) putIn(folder string, seq int, lines ...raw) (name string) {
	w.t.Helper()
	body := append(bytes.Join(rawBytes(lines), []byte("\n")), '\n')
	name, err := w.store.Batches().Write(context.Background(), folder, seq, body, len(lines))
	if err != nil {
		w.t.Fatal(err)
	}
	w.batches = append(w.batches, name)
	return name
}

func rawBytes(lines []raw) [][]byte {
	all := make([][]byte, len(lines))
	for i, l := range lines {
		all[i] = l
	}
	return all
}

// texts are n messages from Jane to Ali.
func (w *world) texts(prefix string, n int) []raw {
	all := make([]raw, n)
	for i := range all {
		all[i] = w.line(sms(fmt.Sprintf("%s%03d", prefix, i), fmt.Sprintf("confidential text %s%03d", prefix, i), jane,
			ali))
	}
	return all
}
