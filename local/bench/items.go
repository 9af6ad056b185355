package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"o2archiver/shared/mailbox/mailboxtest"
)

// Numbers come from the ranges that Ofcom reserves for drama: a thousand mobile ones, and a thousand landlines.
const (
	mobile   = 447700900000
	landline = 441632960000
	numbers  = 1000
)

// day is the window in which the generated items were archived, evenly distributed.
type day struct {
	from      time.Time
	items     int
	mailboxes int
	prefix    string // of the items' IDs
}

func (d day) archived(i int) time.Time {
	return d.from.Add(time.Duration(i) * (23 * time.Hour / time.Duration(max(1, d.items))))
}

// texts have typical lengths.
var texts = []string{
	"Ok, on my way",
	"Can you bring the keys for the van? They are on the hook behind the door",
	"Meeting moved to 3. Same room. Please tell Sam, his phone is off",
	"Thanks. The part arrived this morning but it is the wrong size again, so I sent it back and asked for the other " +
		"one. Should be here on Thursday",
	"Running ten minutes late, sorry, traffic on the ring road is terrible 🚗",
	"Yes",
	"The customer in the second house asked whether we could come back next week to look at the boiler, and if so at " +
		"what price. I said that you would ring",
}

type party struct {
	Value    string            `json:"value"`
	FullName map[string]string `json:"fullName,omitempty"`
	Email    string            `json:"email,omitempty"`
}

type item struct {
	MessageID    string       `json:"messageId"`
	MessageType  string       `json:"messageType"`
	Network      string       `json:"network"`
	Msisdn       string       `json:"msisdn"`
	MessageTime  string       `json:"messageTime"`
	ArchivedTime string       `json:"archivedTime"`
	Direction    string       `json:"direction"`
	Status       string       `json:"status"`
	From         party        `json:"from"`
	To           []party      `json:"to"`
	TextContent  string       `json:"textContent"`
	ContentType  string       `json:"contentType"`
	Attachment   []attachment `json:"attachment,omitempty"`
}

type attachment struct {
	Name        string `json:"name"`
	ContentType string `json:"contentType"`
	Size        int64  `json:"attachSize"`
	Digest      string `json:"digest"`
	ContentURL  string `json:"contentUrl"`
}

// text returns the i-th item. It is between a person with a mailbox and one without, so that it results in exactly one
// copy. The mailboxes are used in rotation.
func (d day) text(i int) item {
	at := d.archived(i)
	user, other := i%d.mailboxes, (i*7+i/d.mailboxes)%numbers
	inside := party{Value: fmt.Sprintf("+%d", mobile+user%numbers),
		FullName: map[string]string{"firstName": "User", "lastName": fmt.Sprintf("Number %d", user)},
		Email:    addressOf(user)}
	outside := party{Value: fmt.Sprintf("%d", landline+other)}
	it := item{
		MessageID: fmt.Sprintf("bench-%s%d", d.prefix, i), MessageType: "SMS", Network: "O2", Msisdn: inside.Value[1:],
		MessageTime: at.Add(-time.Minute).Format(time.RFC3339), ArchivedTime: at.Format(time.RFC3339Nano),
		Direction: "Out", Status: "Delivered", From: inside, To: []party{outside},
		TextContent: texts[i%len(texts)], ContentType: "text/plain",
	}
	if i%2 == 1 {
		it.Direction, it.From, it.To = "In", outside, []party{inside}
	}
	return it
}

func (d day) json(i int) []byte { return encodeItem(d.text(i)) }

func encodeItem(it item) []byte {
	raw, err := json.Marshal(it)
	if err != nil { // strings, numbers and lists can always be encoded
		panic(err)
	}
	return raw
}

// recorded returns a call with one large recording, whose address is path.
func (d day) recorded(path string, size int64) item {
	it := d.text(0)
	it.MessageID, it.MessageType, it.TextContent = "bench-recording", "CALL_AUDIO", ""
	sum := sha256.New()
	_, _ = io.Copy(sum, noiseReader(size)) // writing to a hash never fails
	it.Attachment = []attachment{{Name: "call.wav", ContentType: "audio/wav", Size: size,
		Digest: hex.EncodeToString(sum.Sum(nil)), ContentURL: path}}
	return it
}

// noiseReader returns a reader of size bytes of arbitrary content, without holding them in memory.
func noiseReader(size int64) io.Reader {
	block := make([]byte, 64<<10-1) // a length that differs from that of every buffer
	for i, x := 0, uint32(1); i < len(block); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		block[i] = byte(x)
	}
	return io.LimitReader(&repeated{block: block}, size)
}

// hashOf returns the SHA-256 of a reader's content in hex.
func hashOf(from io.Reader) (string, error) {
	sum := sha256.New()
	_, err := io.Copy(sum, from)
	return hex.EncodeToString(sum.Sum(nil)), err
}

type repeated struct {
	block []byte
	rest  bytes.Reader
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest.Len() == 0 {
		r.rest.Reset(r.block)
	}
	return r.rest.Read(p)
}

func addressOf(user int) string { return fmt.Sprintf("user%d@contoso.example", user) }

// tenantUsers returns n users of the tenant.
func tenantUsers(n int) []mailboxtest.User {
	all := make([]mailboxtest.User, n)
	for i := range all {
		all[i] = mailboxtest.User{
			ID: fmt.Sprintf("0be7c000-0000-4000-8000-%012d", i), UPN: addressOf(i), Mail: addressOf(i),
			DisplayName: fmt.Sprintf("User Number %d", i),
		}
	}
	return all
}
