package infra

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"o2archiver/shared/control"
)

// links returns an answer of a check.
func links(state string, of ...string) string {
	text := ""
	for _, l := range of {
		name, is, _ := strings.Cut(l, " ")
		text += fmt.Sprintf(`,{"link":%q,"state":%q,"says":"says %s","do":"do %s"}`, name, is, name, name)
	}
	return `{"v":1,"command":"c","kind":"check","state":"` + state + `","says":"S","links":[` +
		strings.TrimPrefix(text, ",") + `]}`
}

// pinnedKey is as long as a key of 4,096 bits is: the administrator copies it whole.
var pinnedKey = "ssh-rsa " + strings.Repeat("AAAAB3NzaC1yc2E+/", 42) + "=="

// serverLink is what fetch answers while it knows no host key of the SFTP server.
var serverLink = `{"v":1,"command":"c","kind":"check","state":"done","says":"S","links":[` +
	`{"link":"vault","state":"ok","says":"works"},{"link":"server","state":"failed",` +
	`"says":"no host key is pinned; the server showed ssh-rsa SHA256:abc+/de",` +
	`"do":"set DELIVERY_SFTP_HOST_KEYS to: ` + pinnedKey + `"}]}`

func TestCheckOfBoth(t *testing.T) {
	fetch := links("done", "site ok", "storage ok")
	tests := []struct {
		name           string
		fetch, import_ []string
		exit           int
		shown          []string
	}{
		{"all is well", []string{"", fetch}, []string{"", "", links("done", "graph ok", "events ok")}, 0,
			[]string{"fetch storage     ok       says storage\n", "Every link works. Next: infra/command start"}},
		{"a link fails", []string{fetch}, []string{links("done", "graph failed", "events ok")}, 1,
			[]string{"import graph      failed   says graph\n                           do: do graph\n",
				"Do not start import"}},
		{"a server without a pinned key", []string{serverLink}, []string{links("done", "graph ok", "events ok")}, 1,
			[]string{"fetch server      failed   no host key is pinned; the server showed ssh-rsa SHA256:abc+/de\n" +
				"                           do: set DELIVERY_SFTP_HOST_KEYS to: " + pinnedKey + "\n",
				"Do not start import"}},
		{"the landing account", []string{links("done", "landing ok", "storage ok")},
			[]string{links("done", "graph ok", "events ok")}, 0, []string{"fetch landing     ok       says landing\n"}},
		{"no event yet", []string{fetch}, []string{links("done", "graph ok", "events unknown")}, 1,
			[]string{"works but for the events", "infra/command run"}},
		{"another is unknown too", []string{links("done", "site unknown")},
			[]string{links("done", "events unknown")}, 1,
			[]string{"Do not start import"}},
		{"refused", []string{fetch}, []string{`{"state":"refused","says":"too old"}`}, 1,
			[]string{"import            refused  too old", "fetch site        ok", "Do not start import"}},
		{"one does not answer", []string{fetch}, []string{""}, 3,
			[]string{"import            unknown  no answer within 20 minutes", "infra/command answer import/2"}},
		{"one does not answer, and the other is not well", []string{links("done", "site failed")}, []string{""}, 1,
			[]string{"fetch site        failed", "import            unknown"}},
		{"away for a moment", []string{"!away", fetch}, []string{"!away", links("done", "graph ok")}, 0,
			[]string{"Every link works"}},
		{"away", []string{fetch}, []string{"!away"}, 1,
			[]string{"cannot be read, because this machine does not reach the storage account archive1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			r := d.run(d.answers(map[string][]string{"status": tt.fetch, "reports": tt.import_}), "check",
				"o2-test@contoso.example")
			for _, want := range tt.shown {
				if r.exit() != tt.exit || !strings.Contains(r.out, want) {
					t.Errorf("exit code %d, want %d and %q:\n%s", r.exit(), tt.exit, want, r.out)
				}
			}
			written := d.blobs("commands")
			if len(written) != 2 {
				t.Fatalf("written: %v", written)
			}
			for name, content := range written {
				app, _, _ := strings.Cut(name, "/")
				if c := readAsApp(t, app, name, content); c.Kind != control.Check ||
					(c.Mailbox == "o2-test@contoso.example") != (app == "import") {
					t.Errorf("%s asks for %+v", name, c)
				}
			}
			if slices.ContainsFunc(r.calls, func(c call) bool {
				return strings.Contains(strings.Join(c.Args, " "), "contoso.example")
			}) {
				t.Error("the address is an argument")
			}
		})
	}
}
