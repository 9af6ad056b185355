package main

import (
	"maps"
	"os"
	"strings"
	"testing"
)

// TestTrouble starts the product with something wrong, and expects an exit code that says so and a message that says
// what.
func TestTrouble(t *testing.T) {
	if testing.Short() {
		t.Skip("LEFT OUT: the end-to-end tests take minutes (-short)")
	}
	const nowhere = "http://127.0.0.1:9" // the discard port: nothing listens
	tests := []struct {
		name string
		env  map[string]string
		code int
		want []string // in what is said on standard error
		none string   // must not be in it
	}{
		{name: "wrong password", env: map[string]string{"TELEMESSAGE_PASSWORD": "hunter2"}, code: 1,
			want: []string{"credentials"}, none: "hunter2"},
		{name: "site down", env: map[string]string{"TELEMESSAGE_URL": nowhere, "TELEMESSAGE_USERNAME": "u",
			"TELEMESSAGE_PASSWORD": "p"}, code: 1,
			want: []string{"nothing was started",
				"the TeleMessage site does not answer at TELEMESSAGE_URL: connect: connection refused"}},
		{name: "site and Graph down",
			env: map[string]string{"TELEMESSAGE_URL": nowhere, "TELEMESSAGE_USERNAME": "u", "TELEMESSAGE_PASSWORD": "p",
				"GRAPH_URL": nowhere}, code: 1,
			want: []string{"the TeleMessage site does not answer", "Microsoft Graph does not answer at GRAPH_URL"}},
		{name: "storage down", code: 1, want: []string{"ARCHIVE_STORAGE"},
			env: map[string]string{"ARCHIVE_STORAGE": "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
				"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
				"BlobEndpoint=" + nowhere + "/devstoreaccount1;TableEndpoint=" + nowhere + "/devstoreaccount1;"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			for k, v := range tt.env {
				a.env[k] = v
			}
			code, stdout, stderr := a.run("-json")
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in what was said:\n%s", want, lastLines(stderr))
				}
			}
			if tt.none != "" && strings.Contains(stdout+stderr, tt.none) {
				t.Errorf("%q is in what was said:\n%s", tt.none, lastLines(stderr))
			}
		})
	}
}

// TestSettingsAreCheckedFirst: with a wrong setting nothing is started, and every mistake is reported at once.
func TestSettingsAreCheckedFirst(t *testing.T) {
	const nowhere = "http://127.0.0.1:9"
	for _, tt := range []struct {
		name string
		env  map[string]string
		want []string
		none string // must not be in it
	}{
		{"missing", map[string]string{"TELEMESSAGE_URL": nowhere},
			[]string{"TELEMESSAGE_USERNAME is missing", "TELEMESSAGE_PASSWORD_SECRET is missing; on one machine"},
			"ARCHIVE"},
		{"password twice", map[string]string{"TELEMESSAGE_PASSWORD": "hunter2",
			"TELEMESSAGE_PASSWORD_SECRET": "https://127.0.0.1:9/secrets/site"},
			[]string{"TELEMESSAGE_PASSWORD is set beside TELEMESSAGE_PASSWORD_SECRET"}, "hunter2"},
		{"two at once", map[string]string{"IMPORT_CONCURRENCY": "many", "FETCH_FROM": "last week"},
			[]string{"IMPORT_CONCURRENCY can't be read", "FETCH_FROM is no time"}, "many"},
		{"Graph over plain HTTP elsewhere", map[string]string{"GRAPH_URL": "http://graph.contoso.example"},
			[]string{"GRAPH_URL"}, "contoso"},
		{"storage of an identity",
			map[string]string{"ARCHIVE_STORAGE__blobServiceUri": "https://contoso.blob.core.windows.net"},
			[]string{"takes a connection string"}, "contoso"},
		{"password for the stand-in", map[string]string{"TELEMESSAGE_PASSWORD": "hunter2\n"},
			[]string{"TELEMESSAGE_PASSWORD"}, "hunter2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			maps.Copy(a.env, tt.env)
			code, stdout, stderr := a.run()
			if code != 2 || stdout != "" {
				t.Errorf("exit code %d, want 2; standard output %q", code, stdout)
			}
			for _, want := range tt.want {
				if strings.Count(stderr, want) != 1 {
					t.Errorf("%q is not said once:\n%s", want, stderr)
				}
			}
			if strings.Contains(stderr, tt.none) || strings.Contains(stderr, "Building") {
				t.Errorf("what was said:\n%s", stderr)
			}
			if left, err := os.ReadDir(a.dir); err != nil || len(left) > 0 {
				t.Errorf("something was started: %v, %v", left, err)
			}
		})
	}
}
