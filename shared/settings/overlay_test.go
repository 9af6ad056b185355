package settings

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestOverlay(t *testing.T) {
	environment := map[string]string{"ACCEPTED_DOMAINS": "contoso.com", "MAX_ITEM_SIZE": "20MB",
		"GRAPH_URL": "https://graph.microsoft.com"}
	lookup := Overlay(func(name string) (string, bool) { v, ok := environment[name]; return v, ok },
		map[string]string{"ACCEPTED_DOMAINS": "", "MAX_ITEM_SIZE": " 10 MB ", "GRAPH_URL": "https://elsewhere.example"})
	r := Read(lookup)
	if got := r.List("ACCEPTED_DOMAINS"); got != nil {
		t.Errorf("an empty change is %q, want the default", got)
	}
	if got := r.Bytes("MAX_ITEM_SIZE"); got != 10e6 {
		t.Errorf("the changed size is %d", got)
	}
	if got := r.URL("GRAPH_URL"); got == nil || got.Host != "graph.microsoft.com" {
		t.Errorf("the address of a service was changed to %v", got)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

// Whatever stands in the place of a change, it is named in plain words, and repeated nowhere.
func TestCheckChanges(t *testing.T) {
	const hidden = "hunter2-correct-horse"
	tests := []struct {
		name  string
		all   map[string]string
		wrong []string // what the error names
	}{
		{"nothing", nil, nil},
		{"examples", examples(), nil},
		{"empty texts", map[string]string{"ACCEPTED_DOMAINS": "", "FETCH_FROM": " "}, nil},
		{"no user name", map[string]string{"TELEMESSAGE_USERNAME": ""}, []string{"TELEMESSAGE_USERNAME is missing"}},
		{"no boolean", map[string]string{"CUSTOM_MAPPING": hidden}, []string{"CUSTOM_MAPPING is neither"}},
		{"no domain", map[string]string{"ACCEPTED_DOMAINS": "contoso.com," + hidden}, []string{"part 2: is no domain"}},
		{"two mistakes", map[string]string{"FETCH_FROM": hidden, "MAX_ITEM_SIZE": "150"},
			[]string{"FETCH_FROM is no time", "MAX_ITEM_SIZE has no unit"}},
		{"too long", map[string]string{"DELIVERY_FOLDER": strings.Repeat(hidden, 1000)},
			[]string{"DELIVERY_FOLDER is longer than"}},
		{"an address of a service", map[string]string{"TELEMESSAGE_URL": "https://" + hidden + ".example"},
			[]string{"1 of the names", "TELEMESSAGE_USERNAME"}},
		{"Graph's address", map[string]string{"GRAPH_URL": "https://graph.microsoft.com"}, []string{"1 of the names"}},
		{"a secret", map[string]string{"TELEMESSAGE_PASSWORD": hidden}, []string{"1 of the names"}},
		{"storage", map[string]string{"ARCHIVE_STORAGE": hidden, "ARCHIVE_STORAGE__blobServiceUri": hidden},
			[]string{"2 of the names"}},
		{"an unknown name", map[string]string{hidden: "x", "FETCH_FROM": "2026-11-01"}, []string{"1 of the names"}},
		{"another case", map[string]string{"fetch_from": "2026-11-01"}, []string{"1 of the names"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckChanges(tt.all)
			if (err != nil) != (tt.wrong != nil) {
				t.Fatalf("error %v, want %q", err, tt.wrong)
			}
			for _, want := range tt.wrong {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), hidden) {
				t.Errorf("a value is repeated: %v", err)
			}
		})
	}
}

// examples returns each changeable setting with the example of the table.
func examples() map[string]string {
	all := map[string]string{}
	for _, s := range Table() {
		if s.Changeable {
			all[s.Name] = s.Example
		}
	}
	return all
}

// Neither secrets, nor the addresses of services are changeable: a token or a password would go to another host.
func TestChangeable(t *testing.T) {
	want := []string{"TELEMESSAGE_USERNAME", "FETCH_FROM", "DELIVERY_SFTP_HOST", "DELIVERY_SFTP_USERNAME",
		"DELIVERY_SFTP_HOST_KEYS", "DELIVERY_FOLDER", "DELIVERY_FROM", "AUTOMATIC_MAPPING", "CUSTOM_MAPPING",
		"ACCEPTED_DOMAINS", "MAX_ITEM_SIZE"}
	if got := Changeable(); !slices.Equal(got, want) || len(examples()) != len(want) {
		t.Errorf("changeable are %q, want %q", slices.Sorted(maps.Keys(examples())), want)
	}
	for _, s := range Table() {
		if s.Changeable && (s.kind == secret || s.kind == address || s.checkURL != nil) {
			t.Errorf("%s is changeable", s.Name)
		}
	}
}
