package main

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"o2archiver/local/soak"
	"o2archiver/shared/mailbox"
	"o2archiver/shared/mailbox/mailboxtest"
	"o2archiver/shared/message"
	"o2archiver/shared/source/telemessage"
)

// hostile are texts that a sender can put into any field.
var hostile = []string{
	"x\r\nBcc: thief@elsewhere.example", "x\nX-Evil: 1", "x\ry", "a\x00b\x01\x1b[1m\x7f",
	"a\uffffb\ufffec\ufdd0\U0001ffff", "=?utf-8?q?=0D=0ABcc:_x?=",
	strings.Repeat("é", 10_000), strings.Repeat("n", 10_000) +
		".exe", "../../../etc/passwd", `..\..\C:\x.cmd`, "CON", "nul.txt", "<script>alert(1)</script>.html",
	`"><img src=x onerror=alert(1)>`, "</div><style>*{display:none}</style>", "gpj.\u202eexe", "\u2068HMRC\u2069\ufffc",
	`"; \ '`, "a, b@c.example <d@e.example>",
	" \t \u00a0 ", "text/html; charset=utf-7", "דוד 12\u2069", "\ufeff", strings.Repeat("\x7f", 3000),
}

// Whatever stands in all fields of an item at once gets into the mailbox, which has no place for some characters, and
// nowhere out of its place there. The form text, which is the simpler one, has one kind of item in the short form.
func TestHostileInTheMailbox(t *testing.T) {
	t.Parallel()
	long := soak.ForTest(t).Long
	for _, form := range []string{"text", "html"} {
		t.Run(form, virtually(func(t *testing.T) {
			w := newWorld(t)
			var lines []raw
			of := map[int]int{} // by line: the index of what it holds
			for i, v := range hostile {
				kinds := []string{v, "MMS", "CALL_AUDIO"}
				if !long && form == "text" {
					kinds = kinds[:1]
				}
				for _, kind := range kinds {
					one := item{"value": v, "email": "ali@contoso.example, " + v,
						"fullName": item{"firstName": v, "lastName": v}}
					it := sms(fmt.Sprintf("%s-%d-%s", v[:min(len(v), 200)], i, kind), v, otto, ali).with("from",
						one).with("to", []item{one, {"value": ali.number, "email": ali.email}})
					it = w.file(w.file(it, v, []byte("a file "+v)), "photo.png", []byte("\x89PNG\r\n\x1a\n0"))
					list := it["attachment"].([]item)
					list[0]["contentType"], list[1]["contentType"] = v, "image/png"
					for _, name := range []string{"network", "direction", "status", "subject", "groupId", "groupName",
						"msisdn"} {
						it[name] = v
					}
					of[len(lines)] = i
					lines = append(lines,
						w.line(it.with("messageType", kind).with("groupMessage", true).with("callInfo",
							item{"callId": v, "callStatus": v, "callStartTime": v, "callEndTime": v})))
				}
			}
			batch := w.put(lines...)
			w.start(set("MESSAGE_BODY", form), set("OUTLOOK_CONVERSATIONS", "true")).deliver(batch)
			for n := range lines {
				if r, _ := w.state(batch).Record(n + 1); r.Outcome != "archived" {
					t.Errorf("line %d, of %.40q: %s, %s", n+1, hostile[of[n]], r.Outcome, r.Reason)
				}
			}
			for _, m := range w.graph.Messages(ali.id()) {
				checkKept(t, &m)
			}
		}))
	}
}

// checkKept holds that nothing in a message breaks out of its place. Characters that a mailbox can't keep the stand-in
// refuses.
func checkKept(t *testing.T, m *mailboxtest.Message) {
	t.Helper()
	lines := []string{m.Subject, m.InternetMessageID, m.From.Name, m.From.Address, m.Properties["String 0x0070"]}
	for _, a := range m.To {
		lines = append(lines, a.Name, a.Address)
	}
	for _, h := range m.Headers {
		lines = append(lines, h.Name, h.Value)
	}
	for _, a := range m.Attachments {
		lines = append(lines, a.Name, a.Type, a.ContentID)
		if strings.ContainsAny(a.Name, `/\:*?"<>|`) || strings.HasPrefix(a.Type, "text/html") {
			t.Errorf("a file is named %.80q, of type %s", a.Name, a.Type)
		}
	}
	for _, s := range lines {
		if strings.ContainsAny(s, "\r\n\u2028\u2029\u202e\ufdd0\U0001ffff") {
			t.Errorf("a value of several lines, or turned: %.80q", s)
		}
	}
	if low := strings.ToLower(m.Text); m.TextType == "html" &&
		(strings.Contains(low, "<script") || strings.Contains(low, "<style") || strings.Contains(low, "<img src=x")) {
		t.Errorf("markup of the sender's: %.300q", m.Text)
	}
}

// An item of the largest size that a batch can have, with nothing in it but what takes most room as HTML or as a mark,
// is archived like any other: its beginning is the body, and the file has the text as it was. In the short form they
// are just longer than a body can be, and those that grow.
func TestHostileLengthIsArchived(t *testing.T) {
	size, form := mailbox.MaxBody+100_000, soak.ForTest(t)
	if form.Long {
		size = 15 << 20
	}
	cases := map[string]string{
		"as HTML": strings.Repeat("'", size), "as a mark": strings.Repeat("\x7f", size),
	}
	if form.Long {
		cases["as a mark of three bytes"] = strings.Repeat("\uffff", size/3)
	}
	together(t, cases, func(t *testing.T, text string) {
		w := newWorld(t)
		batch := w.put(w.line(sms("m1", text, otto, ali)))
		w.start(set("MESSAGE_BODY", "html")).deliver(batch)
		w.became(batch, "archived: ali imported")
		rec, err := telemessage.Parse(w.entry(batch))
		if err != nil {
			t.Fatal(err)
		}
		m := w.graph.Messages(ali.id())[0]
		if len(m.Text) > 3_000_000 || len(m.Attachments) != 1 || m.Attachments[0].Size < int64(len(text)) {
			t.Fatalf("a body of %d bytes, %d files", len(m.Text), len(m.Attachments))
		}
		built, err := message.Build(rec, message.Options{Region: "GB"})
		if err != nil {
			t.Fatal(err)
		}
		pr, pw := io.Pipe()
		go func() { pw.CloseWithError(built.Write(pw, nil)) }()
		parsed, err := message.Parse(pr)
		if err != nil {
			t.Fatal(err)
		}
		if want := hexSum([]byte(parsed.Text)); m.Attachments[0].SHA256 != want ||
			!strings.HasPrefix(parsed.Text, text) {
			t.Error("the file has not the text as it was")
		}
	})
}

// A message that lacks one of the headers that go to Graph gets no other in its place.
func TestHeadersByName(t *testing.T) {
	virtual(t, func(t *testing.T) {
		w := newWorld(t)
		it := sms("m1", "no owner", otto, ali)
		delete(it, "msisdn")
		batch := w.put(w.line(it))
		w.start().deliver(batch)
		w.became(batch, "archived: ali imported")
		var names []string
		for _, h := range w.graph.Messages(ali.id())[0].Headers {
			names = append(names, h.Name)
		}
		if got, want := strings.Join(names,
			" "), "X-O2-Message-Id X-O2-Type X-O2-Conversation X-O2-Original-Sha256"; got != want {
			t.Errorf("headers %s, want %s", got, want)
		}
	})
}
