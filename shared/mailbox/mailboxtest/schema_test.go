package mailboxtest

import "testing"

func TestLoneSurrogate(t *testing.T) {
	for in, want := range map[string]bool{
		`a`: false, `\`: false, `\u`: false, `\ud8`: true, `\ud83d`: true, `\ude00`: true, `\ud83d\ude00`: false,
		`\ud83d\ud83d\ude00`: true,
		`\ud83d\n`:           true, `\\ud83d`: false, `\\\ud83d`: true, `\ud7ff`: false, `\ue000`: false,
		`\uD83D\uDE00\uDE00`: true,
	} {
		if got := loneSurrogate([]byte(in)); got != want {
			t.Errorf("%s: %v", in, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"a":[1,"b",{"c":null}],"d":"\ud83d\ude00"}`))
	s, err := readSchema()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeBody(b)
		if err != nil {
			return
		}
		if m, ok := v.(map[string]any); ok {
			s.check(m, "message")
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add(`singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1' and ep/value eq 'a''b') or (isRead ne true)`)
	f.Add(`startswith(subject, 'a')`)
	m := &Message{Subject: "a", Properties: map[string]string{"String 0x0001": "A'b"}}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseFilter(s, canonicalLiteral); err == nil {
			n.unknown(messageFilters)
			n.matches(messageThing{m})
		}
	})
}

func FuzzProperty(f *testing.F) {
	f.Add("String {6f7a8b90-1234-4c5d-8e9f-001122334455} Name ArchiveKey")
	f.Add("integer 0xe07")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := canonicalProperty(s)
		if err != nil {
			return
		}
		if again, err := canonicalProperty(c); err != nil || again != c {
			t.Errorf("%q becomes %q becomes %q: %v", s, c, again, err)
		}
	})
}

func TestDefaults(t *testing.T) {
	got := New(Options{}).o
	want := Limits{Concurrent: 4, PerTenMinutes: 10_000, UploadPerFiveMinutes: 150 << 20, PerTenSeconds: 130_000}
	if got.Limits != want || got.MessageLimit != 35<<20 || got.NamedProperties != 100 || got.Token != "local" {
		t.Errorf("%+v", got)
	}
}

func TestEveryRequestTypeIsInTheSchema(t *testing.T) {
	s, err := readSchema()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"message", "mailFolder", "attachment", "fileAttachment", "createUploadSession", "user"} {
		if s.types[n] == nil || len(s.types[n].all) == 0 {
			t.Errorf("%s is missing", n)
		}
	}
	if !s.has("message", "id") || !s.has("fileAttachment", "name") || s.has("message", "Subject") {
		t.Error("inherited properties are missing")
	}
}
