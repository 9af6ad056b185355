package vendorday

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// item is what an EML can state of an item of the site. A member of a wrong JSON type is missing: the header of an EML
// has texts only.
type item struct {
	id, kind, network, owner, status string
	time                             time.Time // zero: none that can be read
	from                             *party
	to                               []party
	group                            bool
	groupID, groupName               string
	subject, text                    string
	html                             bool
	files                            []file
	call                             call
}

// party is a participant.
type party struct{ value, name, email string }

// call is what the text of a call states.
type call struct{ status, start, millis string }

// file is an attachment, with its bytes.
type file struct {
	name, kind string
	data       []byte
}

// object is a JSON object.
type object map[string]json.RawMessage

// objectOf returns a JSON object; it is empty if raw is none.
func objectOf(raw []byte) (o object) {
	_ = json.Unmarshal(raw, &o)
	return o
}

// text returns a member that is a string, or "".
func (o object) text(name string) (s string) {
	_ = json.Unmarshal(o[name], &s)
	return s
}

// list returns the elements of a member that is an array.
func (o object) list(name string) (all []json.RawMessage) {
	_ = json.Unmarshal(o[name], &all)
	return all
}

// readItem reads an item of the site. files are those that the site serves, by their paths.
func readItem(raw []byte, files map[string][]byte) *item {
	o := objectOf(raw)
	it := &item{
		id: o.text("messageId"), kind: o.text("messageType"), network: o.text("network"), owner: o.text("msisdn"),
		status: o.text("status"), groupID: o.text("dialogGroupId"), groupName: o.text("dialogGroupName"),
		subject: o.text("subject"), text: o.text("textContent"),
		html: strings.EqualFold(o.text("contentType"), "text/html"),
	}
	_ = json.Unmarshal(o["groupMessage"], &it.group)
	if t, err := time.Parse(time.RFC3339, o.text("messageTime")); err == nil {
		it.time = t
	}
	if p := partyOf(o["from"]); p != (party{}) {
		it.from = &p
	}
	for _, one := range o.list("to") {
		if p := partyOf(one); p != (party{}) {
			it.to = append(it.to, p)
		}
	}
	for _, one := range o.list("attachment") {
		if f, ok := fileOf(one, files); ok {
			it.files = append(it.files, f)
		}
	}
	info := objectOf(o["callInfo"])
	it.call = call{status: info.text("callStatus"), start: info.text("startTime"),
		millis: string(info["callDurationInMillis"])}
	return it
}

func partyOf(raw []byte) party {
	o := objectOf(raw)
	name := objectOf(o["fullName"])
	return party{
		value: o.text("value"), email: firstAddress(o.text("email")),
		name: strings.TrimSpace(name.text("firstName") + " " + name.text("lastName")),
	}
}

// firstAddress returns the first address of the property User's Email address: an EML has one for a participant.
func firstAddress(property string) string {
	separates := func(c rune) bool { return strings.ContainsRune(";, \t\r\n", c) }
	for _, entry := range strings.FieldsFunc(property, separates) {
		local, domain, ok := strings.Cut(entry, "@")
		if ok && isPlain(local, ".-_+'") && isPlain(domain, ".-") {
			return entry
		}
	}
	return ""
}

// isPlain reports whether s is not empty and consists of ASCII letters, digits and the others.
func isPlain(s, others string) bool {
	return s != "" && strings.Trim(s, others+
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// fileOf returns an attachment. A file that the source does not have, or not as its digest states it, is not in an EML.
func fileOf(raw []byte, files map[string][]byte) (f file, ok bool) {
	o := objectOf(raw)
	f.name, f.kind = o.text("name"), o.text("contentType")
	if content := o.text("content"); content != "" {
		encoding := base64.StdEncoding.WithPadding(base64.NoPadding)
		text := strings.NewReplacer("\r", "", "\n", "", " ", "", "=", "", "-", "+", "_", "/").Replace(content)
		data, err := encoding.DecodeString(text)
		if err != nil {
			return f, false
		}
		f.data = data
	} else if f.data, ok = files[o.text("contentUrl")]; !ok {
		return f, false
	}
	digest := o.text("digest")
	sum := sha256.Sum256(f.data)
	return f, digest == "" || strings.EqualFold(digest, hex.EncodeToString(sum[:]))
}

// duration returns how long a call lasted, 0 if it is not known.
func (c call) duration() time.Duration {
	var n int64
	if json.Unmarshal(bytes.TrimSpace([]byte(c.millis)), &n) != nil || n < 0 {
		return 0
	}
	return time.Duration(n) * time.Millisecond
}
