package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/local/sample"
	"o2archiver/local/sftpserver"
	"o2archiver/shared/source/delivery"
)

// delivered runs the same day once more, into another archive, as ZIPs of the vendor's. All of its messages arrive,
// both sums hold, and the mailboxes hold the same messages but for what an EML cannot state.
func (a *localArchive) delivered(source string, args ...string) {
	a.t.Helper()
	b := newArchive(a.t)
	raw, err := os.ReadFile(filepath.Join(a.dir, sampleFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, sampleFile), raw, 0o600)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	code, got := b.runJSON(append(args, "-source", source)...)
	if code != 0 {
		a.t.Fatalf("%s: exit code %d, want 0", source, code)
	}
	day := a.day()
	readable := 0 // quarantined for what an EML does not have
	for _, it := range day.Items {
		if it.Trap == "messageId of the wrong type" || it.Trap == "textContent of the wrong type" {
			readable++
		}
	}
	e, r := day.Expect, got.Records
	if r["collected"] != e.Items || r["excluded"] != e.Excluded || r["quarantined"] != e.Quarantined-readable ||
		got.Source.Total == nil || *got.Source.Total != e.Items || got.Source.Received != e.Items ||
		got.Runs["open"] != 0 {
		a.t.Errorf("%s: %+v, of %+v", source, got, e)
	}
	b.checkLog(day)
	for _, secret := range []string{"telemessage_", ".eml", "private key"} {
		if strings.Contains(strings.ToLower(string(b.logs())), secret) {
			a.t.Errorf("%s: %q is in the log", source, secret)
		}
	}
	compareMailboxes(a.t, day, a.mailboxes(day), b.mailboxes(day))
}

// deliver calls startDeliveries with an environment, and returns the settings that it adds and what it says.
func deliver(t *testing.T, w *world, env map[string]string) (added map[string]string, said string) {
	t.Helper()
	day := *sample.MakeSmall(time.Date(2026, 11, 28, 15, 40, 0, 0, time.UTC), 0)
	day.Items = day.Items[:40]
	added = map[string]string{}
	add := func(name, value string) {
		if _, ok := env[name]; !ok {
			added[name] = value
		}
	}
	var progress bytes.Buffer
	if err := w.startDeliveries(t.Context(), "", &day, lookupIn(env), add, &progress); err != nil {
		t.Fatal(err)
	}
	return added, progress.String()
}

// TestGivenServer: a server that the environment names gets the sample day if it has no ZIPs, and otherwise nothing.
func TestGivenServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := sftpserver.Start(t.Context(), sftpserver.Options{Dir: dir}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	env := map[string]string{"DELIVERY_SFTP_HOST": server.Address, "DELIVERY_SFTP_USERNAME": server.Username,
		"DELIVERY_SFTP_KEY": server.Key, "DELIVERY_FOLDER": server.Folder}
	options := options{source: fromSFTP}
	if err := checkSettings(fromSFTP, lookupIn(env)); err != nil {
		t.Error(err)
	}
	var progress bytes.Buffer
	pinned, err := pinHostKey(t.Context(), fromSFTP, lookupIn(env), &progress)
	if err != nil {
		t.Fatal(err)
	}
	env["DELIVERY_SFTP_HOST_KEYS"], _ = pinned("DELIVERY_SFTP_HOST_KEYS")
	if env["DELIVERY_SFTP_HOST_KEYS"] != server.HostKeys || !strings.Contains(progress.String(), "SHA256:") {
		t.Errorf("the host key was not read: %s", progress.String())
	}
	want := map[string]string{"SOURCE": "delivery", "DELIVERY_STABLE_AFTER": "0s"}

	first := &world{options: options}
	added, said := deliver(t, first, env)
	zips := zipsIn(t, dir)
	if !maps.Equal(added, want) || !first.sampled || len(zips) == 0 || !strings.Contains(said, "They stay there") {
		t.Errorf("an empty server: added %v, %d ZIPs, said %q", added, len(zips), said)
	}
	if err := os.Remove(filepath.Join(dir, zips[0])); err != nil {
		t.Fatal(err)
	}
	second := &world{options: options}
	added, said = deliver(t, second, env)
	if !maps.Equal(added, want) || second.sampled || !slices.Equal(zips[1:], zipsIn(t, dir)) ||
		!strings.Contains(said, "nothing is uploaded") {
		t.Errorf("a server with ZIPs: added %v, %v, said %q", added, zipsIn(t, dir), said)
	}
	delete(env, "DELIVERY_SFTP_KEY")
	env["DELIVERY_SFTP_KEY_SECRET"] = "https://contoso.vault.azure.net/secrets/sftp-key"
	if added, said = deliver(t, &world{options: options}, env); !maps.Equal(added, want) ||
		!strings.Contains(said, "in a vault") {
		t.Errorf("a key in a vault: added %v, said %q", added, said)
	}
}

func lookupIn(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func zipsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range all {
		if !delivery.IsDelivery(entry.Name()) {
			t.Errorf("%s is in the folder", entry.Name())
		}
		names = append(names, entry.Name())
	}
	return names
}

// TestSource: what -source and the settings say together.
func TestSource(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flag string
		env  map[string]string
		want string // the source, or what the error says
	}{
		{"", nil, fromSite},
		{"", map[string]string{"SOURCE": "telemessage"}, fromSite},
		{"", map[string]string{"SOURCE": "delivery"}, fromSFTP},
		{"delivery", map[string]string{"DELIVERY_LANDING": "x"}, fromLanding},
		{fromSFTP, nil, fromSFTP},
		{fromLanding, map[string]string{"SOURCE": "delivery"}, fromLanding},
		{fromSFTP, map[string]string{"SOURCE": "telemessage"}, "does not go with the setting SOURCE"},
		{fromSite, map[string]string{"SOURCE": "delivery"}, "does not go with the setting SOURCE"},
		{"ftp", nil, "-source is telemessage, sftp or landing"},
		{"", map[string]string{"SOURCE": "ftp"}, "-source is telemessage, sftp or landing"},
	} {
		got, err := chooseSource(tt.flag, lookupIn(tt.env))
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) || err == nil && got != tt.want {
			t.Errorf("-source %q, %v: %s, want %s", tt.flag, tt.env, got, tt.want)
		}
	}
	for _, tt := range []struct {
		source string
		env    map[string]string
		want   string // part of the error; "": none
	}{
		{fromSFTP, nil, ""},
		{fromLanding, nil, ""},
		{fromSFTP, map[string]string{"DELIVERY_SFTP_HOST": "sftp.contoso.com"}, "DELIVERY_SFTP_USERNAME is missing"},
		{fromSFTP, map[string]string{"DELIVERY_FOLDER": "out"}, "DELIVERY_FOLDER goes with DELIVERY_SFTP_HOST"},
		{fromSFTP, map[string]string{"DELIVERY_LANDING": "x"}, "DELIVERY_LANDING is set"},
		{fromLanding, map[string]string{"DELIVERY_SFTP_HOST": "sftp.contoso.com"}, "DELIVERY_SFTP_HOST is set"},
		{fromLanding, map[string]string{"DELIVERY_LANDING__blobServiceUri": "https://contoso.blob.core.windows.net"},
			"takes a connection string"},
		{fromSFTP, map[string]string{"DELIVERY_STABLE_AFTER": "soon"}, "DELIVERY_STABLE_AFTER"},
	} {
		err := checkSettings(tt.source, lookupIn(tt.env))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s, %v: %v, want %q", tt.source, tt.env, err, tt.want)
		}
	}
}

func TestBlobServiceOf(t *testing.T) {
	for connection, want := range map[string]string{
		"AccountName=a;AccountKey=x==;BlobEndpoint=http://127.0.0.1:1/a;": "http://127.0.0.1:1/a",
		"AccountName=a;AccountKey=x==":                                    "https://a.blob.core.windows.net",
		"AccountName=a;EndpointSuffix=core.usgovcloudapi.net":             "https://a.blob.core.usgovcloudapi.net",
	} {
		if got := blobServiceOf(connection); got != want {
			t.Errorf("%s: %s, want %s", connection, got, want)
		}
	}
}
