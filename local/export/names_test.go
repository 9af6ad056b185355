package export

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var safe = regexp.MustCompile(`^[a-zA-Z0-9@][a-zA-Z0-9._@-]*[a-zA-Z0-9]$`)

func TestFolder(t *testing.T) {
	const id = "1d5e7a3c-0000-4000-8000-047700900123"
	tests := []struct{ name, address, id, want string }{
		{"address", "jane.doe@contoso.example", id, "jane.doe@contoso.example"},
		{"capitals", "Jane@Contoso.example", id, "jane@contoso.example"},
		{"no address", "", id, id},
		{"nothing", "", "", "e3b0c442"},
		{"hostile id", "", "../" + id, id + "-3da193c9"},
		{"quote", "sinead.o'brien@contoso.example", id, "sinead.o_brien@contoso.example-1c2ec6de"},
		{"plus", "jane+sms@contoso.example", id, "jane_sms@contoso.example-d8471c4b"},
		{"path", "../../etc/passwd", id, "etc_passwd-3754d6cb"},
		{"path of Windows", `..\..\windows`, id, "windows-e2a81868"},
		{"root", "/", id, "8a5edab2"},
		{"dots", "..", id, "5ec1f7e7"},
		{"hidden", ".ssh", id, "ssh-9a964bc3"},
		{"option", "-rf@contoso.example", id, "rf@contoso.example-d85397de"},
		{"dot at the end", "jane@contoso.", id, "jane@contoso-32fbceb0"},
		{"device", "NUL", id, "mailbox-nul-99e62427"},
		{"device with more", "com1.x@contoso.example", id, "mailbox-com1.x@contoso.example-86b71264"},
		{"stream of NTFS", "jane@contoso.example:stream", id, "jane@contoso.example_stream-3bc53dc0"},
		{"control characters", "jane\r\n\x00\x1b[31m@contoso.example", id, "jane_____31m@contoso.example-54d09c0a"},
		{"turned", "jane\u202egpj@contoso.example", id, "jane_gpj@contoso.example-c8f2fa18"},
		{"no UTF-8", "jane\xff@contoso.example", id, "jane_@contoso.example-54891e23"},
		{"other script", "Ελένη@contoso.example", id, "@contoso.example-f0cd604b"},
		{"blank", " ", id, "36a9e7f1"},
		{"long", strings.Repeat("long.", 60) + "name@contoso.example", id,
			strings.Repeat("long.", 19) + "long-a7c74884"},
	}
	seen := map[string]string{}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Folder(tt.address, tt.id)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !safe.MatchString(got) || isDeviceName(got) || len(got) > 120 {
				t.Errorf("%q is not safe everywhere", got)
			}
			if other, ok := seen[got]; ok {
				t.Errorf("%q and %q share a folder", other, tt.name)
			}
			seen[got] = tt.name
		})
	}
}

func TestFolderIsOneMailboxs(t *testing.T) {
	e := &exporter{folders: map[string]string{}, owners: map[string]string{},
		options: Options{Address: func(string) string { return "same@contoso.example" }}}
	first, second, again := e.folder("ID-1"), e.folder("id-2"), e.folder("id-1")
	if first != "same@contoso.example" || second == first || again != first || !safe.MatchString(second) {
		t.Errorf("two mailboxes with one address: %q and %q, the first again %q", first, second, again)
	}
}

func TestFolderIsNotTheIndex(t *testing.T) {
	e := &exporter{folders: map[string]string{}, owners: map[string]string{Index: ""}}
	if got := e.folder("INDEX.csv"); got == Index || !safe.MatchString(got) {
		t.Errorf("a mailbox has the folder %q", got)
	}
}

func TestFileName(t *testing.T) {
	zone := time.FixedZone("", -3600)
	tests := []struct {
		name string
		sent time.Time
		id   string
		n    int
		want string
	}{
		{"in UTC", time.Date(2026, 7, 1, 23, 59, 59, 123e6, zone), "ba0fbe9dc0480bd1b07cccc3@o2archiver.invalid", short,
			"20260702T005959Z-ba0fbe9dc0480bd1.eml"},
		{"whole id", time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC), "ba0fbe9dc0480bd1b07c@o2", 23,
			"20260701T090000Z-ba0fbe9dc0480bd1b07c@o2.eml"},
		{"short id", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), "ba", short, "99991231T000000Z-ba.eml"},
		{"hostile id", time.Date(2026, 7, 1, 9, 0, 0, 0, time.UTC), "../../x:\x00 é/", short,
			"20260701T090000Z-.._.._x_____.eml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fileName(tt.sent, tt.id, tt.n); got != tt.want || !safe.MatchString(got) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
