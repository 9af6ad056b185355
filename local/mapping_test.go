package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"o2archiver/shared/mailbox/mailboxtest"
)

const mappingHead = "External User ID,Microsoft 365 User Mailbox\n"

func writeMapping(t *testing.T, rows string) string {
	t.Helper()
	return writeFile(t, mappingHead+rows)
}

func writeDated(t *testing.T, rows string) string {
	t.Helper()
	return writeFile(t, strings.TrimSpace(mappingHead)+",Valid From,Valid To\n"+rows)
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "mapping.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestMappingIsReadFirst: with a file that can't be used nothing is started, so that the storage folder stays as it
// was.
func TestMappingIsReadFirst(t *testing.T) {
	good := writeMapping(t, "447700900123,jane@contoso.example\n07700 900456,Jane@contoso.example\n")
	dated := writeDated(t, "447700900123,jane@contoso.example,01/02/2026,31/03/2026\n")
	bad := writeMapping(t, "4.47701E+11,jane\n447700900456,joe@contoso.example\n")
	for _, tt := range []struct {
		name   string
		args   []string
		env    map[string]string
		code   int
		stdout string
		stderr []string
	}{
		{"check good", []string{"-check-mapping", good}, nil, 0, "its 2 rows map 2 numbers to 1 mailboxes", nil},
		{"check dates", []string{"-check-mapping", dated}, nil, 0,
			"2 of its dates were read as day/month/year: in line 2, 01/02/2026 is 2026-02-01.", nil},
		{"check bad", []string{"-check-mapping", bad}, nil, 2, "",
			[]string{"line 2: the number was rounded", "line 2: the mailbox has no @"}},
		{"check none", []string{"-check-mapping", "no-such.csv"}, nil, 2, "", []string{"no-such.csv"}},
		{"check in another country", []string{"-check-mapping", writeMapping(t, "07700900123,jane@contoso.example\n")},
			map[string]string{"DEFAULT_REGION": "US"}, 2, "", []string{"line 2: the number is no telephone number"}},
		{"check with a bad setting", []string{"-check-mapping", good}, map[string]string{"DEFAULT_REGION": "Britain"},
			2, "", []string{"DEFAULT_REGION"}},
		{"run with bad", []string{"-mapping", bad}, nil, 2, "",
			[]string{"line 2: the number was rounded", "line 2: the mailbox has no @"}},
		{"run with none", []string{"-mapping", "no-such.csv"}, nil, 2, "", []string{"no-such.csv"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			for k, v := range tt.env {
				a.env[k] = v
			}
			code, stdout, stderr := a.run(tt.args...)
			if code != tt.code || !strings.Contains(stdout, tt.stdout) {
				t.Errorf("exit code %d, want %d; standard output %q, want %q", code, tt.code, stdout, tt.stdout)
			}
			for _, want := range tt.stderr {
				if strings.Count(stderr, want) != 1 {
					t.Errorf("%q is not said once:\n%s", want, stderr)
				}
			}
			if strings.Contains(stderr, "4.47701E+11") || strings.Contains(stderr, "Building") {
				t.Errorf("what was said:\n%s", stderr)
			}
			if left, err := os.ReadDir(a.dir); err != nil || len(left) > 0 {
				t.Errorf("something was started: %v, %v", left, err)
			}
		})
	}
}

func TestMappingOfStrangersIsReported(t *testing.T) {
	g, err := mailboxtest.Open(mailboxtest.Options{Users: []mailboxtest.User{
		{ID: "1", UPN: "jane@contoso.example", Mail: "j.doe@contoso.example",
			Proxy: []string{"SMTP:doe@contoso.example"}},
		{ID: "2", UPN: "guest@contoso.example", MailboxCode: "ErrorInvalidUser"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	for _, tt := range []struct{ name, rows, want string }{
		{"all are users", "447700900001,Jane@contoso.example\n447700900002,j.doe@contoso.example\n" +
			"447700900003,doe@contoso.example\n", ""},
		{"nobody, and one without a mailbox",
			"447700900001,jane@contoso.example\n447700900002,guest@contoso.example\n447700900003,ali@contoso.com\n",
			"2 of 3 mailboxes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := readMapping(writeMapping(t, tt.rows), func(string) (string, bool) { return "", false })
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			(&world{graph: g}).warn(m, &out)
			if got := out.String(); !strings.Contains(got, tt.want) || (tt.want == "") != (got == "") {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}
