package settings

import (
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// azurite is the connection string of Azurite on its usual ports. Its account and key are
// published: they are the same in every installation and open nothing else.
const azurite = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
	"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
	"BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;" +
	"QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;" +
	"TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"

// from reads settings from a map.
func from(m map[string]string) *Reader {
	return Read(func(name string) (string, bool) { v, ok := m[name]; return v, ok })
}

// value reads a setting by its type, as comparable text.
func value(r *Reader, s Setting) string {
	switch s.kind {
	case secret:
		return r.Secret(s.Name).Reveal()
	case number:
		return time.Duration(r.Int(s.Name)).String()
	case boolean:
		return map[bool]string{true: "true", false: "false"}[r.Bool(s.Name)]
	case size:
		return time.Duration(r.Bytes(s.Name)).String()
	case duration:
		return r.Duration(s.Name).String()
	case timestamp:
		return r.Time(s.Name).Format(time.RFC3339)
	case list:
		return strings.Join(r.List(s.Name), "|")
	case address:
		if u := r.URL(s.Name); u != nil {
			return u.String()
		}
		return ""
	default:
		return r.String(s.Name)
	}
}

func find(t *testing.T, name string) Setting {
	t.Helper()
	for _, s := range Table() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no setting %s", name)
	return Setting{}
}

func TestDefaults(t *testing.T) {
	r := from(nil)
	got := map[string]any{
		"FETCH_FROM": r.Time("FETCH_FROM"), "FETCH_SCHEDULE": r.String("FETCH_SCHEDULE"),
		"GRAPH_URL": r.URL("GRAPH_URL").String(), "IMPORT_CONCURRENCY": r.Int("IMPORT_CONCURRENCY"),
		"MAX_ITEM_SIZE": r.Bytes("MAX_ITEM_SIZE"), "MESSAGE_CLASS": r.String("MESSAGE_CLASS"),
		"FOLDER_NAME": r.String("FOLDER_NAME"), "ACCEPTED_DOMAINS": r.List("ACCEPTED_DOMAINS"),
		"AUTOMATIC_MAPPING": r.Bool("AUTOMATIC_MAPPING"), "CUSTOM_MAPPING": r.Bool("CUSTOM_MAPPING"),
		"DEFAULT_REGION": r.String("DEFAULT_REGION"), "AZURE_CLOUD": r.String("AZURE_CLOUD"),
		"MAILBOX_PERMITS": r.Int("MAILBOX_PERMITS"), "IN_DOUBT_AFTER": r.Duration("IN_DOUBT_AFTER"),
		"SWEEP_AFTER": r.Duration("SWEEP_AFTER"),
	}
	want := map[string]any{
		"FETCH_FROM": time.Time{}, "FETCH_SCHEDULE": "0 30 5 * * *",
		"GRAPH_URL": "https://graph.microsoft.com", "IMPORT_CONCURRENCY": 64,
		"MAX_ITEM_SIZE": int64(150_000_000), "MESSAGE_CLASS": "IPM.Note",
		"FOLDER_NAME": "O2 SMS and Voice Network Archiver", "ACCEPTED_DOMAINS": []string(nil),
		"AUTOMATIC_MAPPING": true, "CUSTOM_MAPPING": true,
		"DEFAULT_REGION": "GB", "AZURE_CLOUD": "worldwide",
		"MAILBOX_PERMITS": 3, "IN_DOUBT_AFTER": 90 * time.Second, "SWEEP_AFTER": 10 * time.Minute,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestGoodValues(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"TELEMESSAGE_URL", " https://rest.example.com/ ", "https://rest.example.com"},
		{"TELEMESSAGE_URL", "https://rest.example.com/base//", "https://rest.example.com/base"},
		{"TELEMESSAGE_URL", "http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"TELEMESSAGE_URL", "http://[::1]:8080", "http://[::1]:8080"},
		{"TELEMESSAGE_URL", "http://localhost:8080/", "http://localhost:8080"},
		{"TELEMESSAGE_USERNAME", " jane ", "jane"},
		{"TELEMESSAGE_PASSWORD", " p:a=ß; ", " p:a=ß; "},
		{"FETCH_FROM", "2026-11-01", "2026-11-01T00:00:00Z"},
		{"FETCH_FROM", "2026-11-01T02:00:00.5+02:00", "2026-11-01T00:00:00Z"},
		{"FETCH_SCHEDULE", "0  0,30 5-7 * * Mon-Fri", "0 0,30 5-7 * * Mon-Fri"},
		{"FETCH_SCHEDULE", "*/30 5/20 0 29 2,june sunday", "*/30 5/20 0 29 2,june sunday"},
		{"ARCHIVE_STORAGE", azurite + "\n", strings.TrimSpace(azurite)},
		{"ARCHIVE_STORAGE__blobServiceUri", "http://127.0.0.1:10000/devstoreaccount1",
			"http://127.0.0.1:10000/devstoreaccount1"},
		{"ARCHIVE_STORAGE__clientId", "ABCDEF01-0000-0000-0000-00000000000f", "abcdef01-0000-0000-0000-00000000000f"},
		{"IMPORT_CONCURRENCY", "1", "1ns"},
		{"IMPORT_CONCURRENCY", "1024", "1.024µs"},
		{"MAX_ITEM_SIZE", "150MB", "150ms"},
		{"MAX_ITEM_SIZE", "10 mib", "10.48576ms"},
		{"MAX_ITEM_SIZE", "1kB", "1µs"},
		{"MESSAGE_CLASS", "IPM.Note.O2SMS", "IPM.Note.O2SMS"},
		{"MESSAGE_CLASS", "ipm.externaldata.O2.v1", "ipm.externaldata.O2.v1"},
		{"FOLDER_NAME", "O2 – Größe / SMS", "O2 – Größe / SMS"},
		{"ACCEPTED_DOMAINS", "Contoso.com; a-b.co.uk,\n x.io", "contoso.com|a-b.co.uk|x.io"},
		{"ACCEPTED_DOMAINS", " , ", ""},
		{"AUTOMATIC_MAPPING", "FALSE", "false"},
		{"CUSTOM_MAPPING", "True", "true"},
		{"DEFAULT_REGION", "ie", "IE"},
		{"DEFAULT_REGION", "UK", "GB"},
		{"AZURE_CLOUD", "AzurePublic", "worldwide"},
		{"AZURE_CLOUD", "azureusgovernment", "usgov-high"},
		{"AZURE_CLOUD", "USGov-DoD", "usgov-dod"},
		{"AZURE_CLOUD", "AzureChina", "china"},
		{"GRAPH_URL", "https://graph.microsoft.us/v1.0", "https://graph.microsoft.us/v1.0"},
		{"GRAPH_URL", "http://localhost:9000", "http://localhost:9000"},
		{"MAILBOX_PERMITS", "4", "4ns"},
		{"IN_DOUBT_AFTER", "1s", "1s"},
		{"IN_DOUBT_AFTER", "10m", "10m0s"},
		{"SWEEP_AFTER", "0s", "0s"},
		{"SWEEP_AFTER", "24h", "24h0m0s"},
	} {
		r := from(map[string]string{tt.name: tt.value})
		if got := value(r, find(t, tt.name)); got != tt.want || r.Err() != nil {
			t.Errorf("%s %q = %q, error %v; want %q", tt.name, tt.value, got, r.Err(), tt.want)
		}
	}
}

// Every value here is bad, and its text must not be in the error.
func TestBadValues(t *testing.T) {
	zero := map[kind]string{number: "0s", size: "0s", duration: "0s", boolean: "false",
		timestamp: "0001-01-01T00:00:00Z"}
	for _, tt := range []struct{ name, value, says string }{
		{"TELEMESSAGE_URL", "", "is missing"},
		{"TELEMESSAGE_URL", "   ", "is missing"},
		{"TELEMESSAGE_URL", "http://rest.example.com", "not encrypted"},
		{"TELEMESSAGE_URL", "http://127.0.0.1.example.com", "not encrypted"},
		{"TELEMESSAGE_URL", "https://jane:hunter2@rest.example.com", "user name"},
		{"TELEMESSAGE_URL", "https://rest.example.com?key=hunter2", "query"},
		{"TELEMESSAGE_URL", "https://rest.example.com/?", "query"},
		{"TELEMESSAGE_URL", "https://rest.example.com#hunter2", "fragment"},
		{"TELEMESSAGE_URL", "rest.example.com", "has no host"},
		{"TELEMESSAGE_URL", "ftp://rest.example.com", "https://"},
		{"TELEMESSAGE_URL", "https:hunter2", "has no host"},
		{"TELEMESSAGE_URL", "https:///hunter2", "has no host"},
		{"TELEMESSAGE_URL", "https://rest.example.com:99999", "port"},
		{"TELEMESSAGE_URL", "https://hun\x7fter2", "no address"},
		{"TELEMESSAGE_USERNAME", "", "is missing"},
		{"TELEMESSAGE_USERNAME", "jane:hunter2", "colon"},
		{"TELEMESSAGE_USERNAME", "jane\ndoe", "control"},
		{"TELEMESSAGE_PASSWORD", "hunter2\n", "control"},
		{"TELEMESSAGE_PASSWORD", "hunter2\xff", "control"},
		{"TELEMESSAGE_PASSWORD", "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/hunter2)",
			"Key Vault"},
		{"ARCHIVE_STORAGE", "@microsoft.keyvault(VaultName=v;SecretName=hunter2)", "Key Vault"},
		{"FETCH_FROM", "01/11/2026", "no time"},
		{"FETCH_FROM", "2026-11-31", "no time"},
		{"FETCH_FROM", "1999-12-31", "2000"},
		{"FETCH_SCHEDULE", "30 5 * * *", "5 fields"},
		{"FETCH_SCHEDULE", "60 30 5 * * *", "second"},
		{"FETCH_SCHEDULE", "0 5-1 5 * * *", "minute"},
		{"FETCH_SCHEDULE", "0 30 24 * * *", "hour"},
		{"FETCH_SCHEDULE", "0 30 5 0 * *", "day"},
		{"FETCH_SCHEDULE", "0 30 5 * 13 *", "month"},
		{"FETCH_SCHEDULE", "0 30 5 * * 7", "day of the week"},
		{"FETCH_SCHEDULE", "0 30 5 ? * *", "day"},
		{"FETCH_SCHEDULE", "0 */0 5 * * *", "minute"},
		{"FETCH_SCHEDULE", "0 ,1 5 * * *", "minute"},
		{"FETCH_SCHEDULE", "0 +1 5 * * *", "minute"},
		{"FETCH_SCHEDULE", "0 30 5 31 2,apr *", "never comes"},
		{"FETCH_SCHEDULE", "24:00:00", "1 fields"},
		{"ARCHIVE_STORAGE", "UseDevelopmentStorage=true", "short form"},
		{"ARCHIVE_STORAGE", "AccountName=a", "AccountKey"},
		{"ARCHIVE_STORAGE", "hunter2", "name=value"},
		{"ARCHIVE_STORAGE", "BlobEndpoint=https://a.example.com;SharedAccessSignature=sv=hunter2", "signature"},
		{"ARCHIVE_STORAGE", "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=hunter2", "https"},
		{"ARCHIVE_STORAGE", "AccountName=a;AccountKey=b;BlobEndpoint=http://a.example.com", "not encrypted"},
		{"ARCHIVE_STORAGE__tableServiceUri", "http://contoso.table.core.windows.net", "not encrypted"},
		{"ARCHIVE_STORAGE__blobServiceUri", "https://contoso.blob.core.windows.net?sv=hunter2", "query"},
		{"ARCHIVE_STORAGE__clientId", "hunter2", "is no id"},
		{"IMPORT_CONCURRENCY", "0", "out of its range"},
		{"IMPORT_CONCURRENCY", "1025", "out of its range"},
		{"IMPORT_CONCURRENCY", "99999999999999999999", "out of its range"},
		{"IMPORT_CONCURRENCY", "hunter2", "can't be read"},
		{"MAX_ITEM_SIZE", "151MB", "out of its range"},
		{"MAX_ITEM_SIZE", "150MiB", "out of its range"},
		{"MAX_ITEM_SIZE", "-1MB", "out of its range"},
		{"MAX_ITEM_SIZE", "150000", "has no unit"},
		{"MAX_ITEM_SIZE", "150GB", "can't be read"},
		{"MAX_ITEM_SIZE", "1.5MB", "can't be read"},
		{"MAX_ITEM_SIZE", "MB", "can't be read"},
		{"MESSAGE_CLASS", "IPM.Appointment", "no class"},
		{"MESSAGE_CLASS", "IPM.ExternalData", "no class"},
		{"MESSAGE_CLASS", "IPM.Notebook", "no class"},
		{"MESSAGE_CLASS", "IPM.Note.", "no class"},
		{"MESSAGE_CLASS", "IPM.Note.a b", "no class"},
		{"MESSAGE_CLASS", "IPM.Note." + strings.Repeat("a", 250), "no class"},
		{"FOLDER_NAME", "a\tb", "no name"},
		{"FOLDER_NAME", strings.Repeat("a", 256), "no name"},
		{"ACCEPTED_DOMAINS", "contoso.com, jane@contoso.com", "part 2"},
		{"ACCEPTED_DOMAINS", "*.contoso.com", "part 1"},
		{"ACCEPTED_DOMAINS", "contoso", "no domain"},
		{"AUTOMATIC_MAPPING", "hunter2", "neither true nor false"},
		{"DEFAULT_REGION", "Britain", "no country"},
		{"DEFAULT_REGION", "44", "no country"},
		{"DEFAULT_REGION", "EU", "no country"},
		{"AZURE_CLOUD", "germany", "known cloud"},
		{"GRAPH_URL", "https://graph.example.com", "no cloud"},
		{"GRAPH_URL", "https://graph.microsoft.com.example.com", "no cloud"},
		{"MAILBOX_PERMITS", "5", "out of its range"},
		{"IN_DOUBT_AFTER", "999ms", "out of its range"},
		{"IN_DOUBT_AFTER", "90", "can't be read"},
		{"SWEEP_AFTER", "-1s", "out of its range"},
		{"SWEEP_AFTER", "24h1s", "out of its range"},
	} {
		r := from(map[string]string{tt.name: tt.value})
		s := find(t, tt.name)
		got := value(r, s)
		err := r.Err()
		if err == nil {
			t.Errorf("%s %q is accepted as %q", tt.name, tt.value, got)
			continue
		}
		text := err.Error()
		if want := zero[s.kind]; got != want {
			t.Errorf("%s %q gives %q beside the error, want %q", tt.name, tt.value, got, want)
		}
		for _, part := range []string{tt.name + " ", tt.says, s.Form, s.Example} {
			if !strings.Contains(text, part) {
				t.Errorf("%s %q: %q is not in %q", tt.name, tt.value, part, text)
			}
		}
		if strings.Contains(text, "hunter2") || strings.ContainsAny(text, "\n\x7f") || !utf8.ValidString(text) {
			t.Errorf("%s %q: the value is in %q", tt.name, tt.value, text)
		}
		value(r, s)
		if again := r.Err().Error(); again != text {
			t.Errorf("%s read twice: %q", tt.name, again)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	r := from(map[string]string{"IMPORT_CONCURRENCY": "none", "AZURE_CLOUD": "moon", "GRAPH_URL": ""})
	r.String("TELEMESSAGE_USERNAME")
	r.Int("IMPORT_CONCURRENCY")
	if u := r.URL("GRAPH_URL"); u != nil {
		t.Errorf("GRAPH_URL = %v in an unknown cloud", u)
	}
	var names []string
	for line := range strings.SplitSeq(r.Err().Error(), "\n") {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	if diff := cmp.Diff([]string{"TELEMESSAGE_USERNAME", "IMPORT_CONCURRENCY", "AZURE_CLOUD"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestProgrammingErrorsPanic(t *testing.T) {
	for name, read := range map[string]func(*Reader){
		"unknown name": func(r *Reader) { r.String("TELEMESSAGE_UR") },
		"wrong type":   func(r *Reader) { r.String("TELEMESSAGE_PASSWORD") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			read(from(nil))
		}()
	}
}

func TestCloud(t *testing.T) {
	for _, tt := range []struct {
		name, graph, login string
		sessions           bool
	}{
		{"worldwide", "https://graph.microsoft.com", "https://login.microsoftonline.com", true},
		{"usgov-high", "https://graph.microsoft.us", "https://login.microsoftonline.us", false},
		{"usgov-dod", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us", false},
		{"china", "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn", true},
		{"moon", "", "", false},
		{"", "", "", false},
	} {
		graph, login := Cloud(tt.name)
		if graph != tt.graph || login != tt.login || UploadSessions(tt.name) != tt.sessions {
			t.Errorf("%q: %q, %q, %v", tt.name, graph, login, UploadSessions(tt.name))
		}
		r := from(map[string]string{"AZURE_CLOUD": tt.name})
		if u := r.URL("GRAPH_URL"); graph != "" && (u == nil || u.String() != graph) {
			t.Errorf("%q: GRAPH_URL = %v", tt.name, u)
		}
	}
}

func TestStorageConfig(t *testing.T) {
	const (
		blob   = "https://contoso.blob.core.windows.net"
		table  = "https://contoso.table.core.windows.net"
		client = "00000000-0000-0000-0000-000000000001"
	)
	for _, tt := range []struct {
		name                          string
		connection, blob, table, says string
	}{
		{name: "connection string", connection: azurite},
		{name: "identity", blob: blob, table: table},
		{name: "nothing", says: "ARCHIVE_STORAGE__blobServiceUri is missing, and so is"},
		{name: "no table", blob: blob, says: "ARCHIVE_STORAGE__tableServiceUri is missing beside"},
		{name: "no blob", table: table, says: "ARCHIVE_STORAGE__blobServiceUri is missing beside"},
		{name: "both", connection: azurite, blob: blob, table: table, says: "ARCHIVE_STORAGE is set beside"},
		{name: "both, half", connection: azurite, table: table, says: "ARCHIVE_STORAGE is set beside"},
		{name: "bad one", connection: "x", says: "ARCHIVE_STORAGE has a part"},
	} {
		r := from(map[string]string{"ARCHIVE_STORAGE": tt.connection, "ARCHIVE_STORAGE__blobServiceUri": tt.blob,
			"ARCHIVE_STORAGE__tableServiceUri": tt.table, "ARCHIVE_STORAGE__clientId": client})
		s := StorageConfig(r)
		err := r.Err()
		if tt.says != "" {
			if err == nil || !strings.HasPrefix(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %v, want one of %q", tt.name, err, tt.says)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if s.ConnectionString.Reveal() != tt.connection || s.ClientID != client ||
			(tt.blob != "" && (s.BlobURL.String() != tt.blob || s.TableURL.String() != tt.table)) {
			t.Errorf("%s: %+v", tt.name, s)
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{"", "https://a:hunter2@b", "0 30 5 * * *", "5/10,1-3 * * * jan *", "150MB", "1h",
		"IPM.Note",
		"2026-11-01", "GB", "true", azurite, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		// A marker that no form or example holds.
		const mark = "q\u2042q"
		for _, s := range Table() {
			r := from(map[string]string{s.Name: v})
			first := value(r, s)
			if r.Err() == nil && s.kind == text && first != "" {
				again := from(map[string]string{s.Name: first})
				if second := again.String(s.Name); second != first || again.Err() != nil {
					t.Errorf("%s: the normal form of %q reads as %q, %v", s.Name, v, second, again.Err())
				}
			}
			marked := from(map[string]string{s.Name: v + mark})
			value(marked, s)
			if err := marked.Err(); err != nil &&
				(strings.Contains(err.Error(), mark) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%s: the error shows the value: %v", s.Name, err)
			}
		}
	})
}

// TestCheck: every setting is read, and each mistake is reported once.
func TestCheck(t *testing.T) {
	lookup := func(values map[string]string) func(string) (string, bool) {
		return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	}
	for _, from := range []string{Telemessage, Deliveries} {
		good := map[string]string{}
		for _, s := range Table() {
			good[s.Name] = s.Example
		}
		good[source] = from
		for _, other := range []string{storageBlob, storageTable, // a connection string, or the addresses
			sitePasswordSecret, sftpPasswordSecret, sftpKeySecret, sftpPassphraseSecret, // or the secrets themselves
			landing, landingBlob} { // or a server
			delete(good, other)
		}
		if err := Check(lookup(good)); err != nil {
			t.Errorf("%s, the examples: %v", from, err)
		}
		for _, s := range Table() {
			if s.Source != "" && s.Source != from {
				continue
			}
			bad := maps.Clone(good)
			bad[s.Name] = "\x00"
			if s.kind == list {
				bad[s.Name] = "no_domain"
			}
			err := Check(lookup(bad))
			if err == nil || !strings.HasPrefix(err.Error(), s.Name+" ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s, %s: %v", from, s.Name, err)
			}
		}
	}
	err := Check(lookup(nil))
	for _, name := range []string{"TELEMESSAGE_URL", "TELEMESSAGE_USERNAME", sitePasswordSecret, storageBlob} {
		if err == nil || strings.Count(err.Error(), name+" is missing") != 1 {
			t.Errorf("without settings, %s: %v", name, err)
		}
	}
}
