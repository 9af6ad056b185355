package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestTrouble starts the product with something wrong, and expects an exit code that says so and a message that says what.
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
		kept bool     // everything collected is pending, or settled without a mailbox; nothing is lost or imported
	}{
		{name: "wrong password", env: map[string]string{"TELEMESSAGE_PASSWORD": "hunter2"}, code: 1,
			want: []string{"credentials"}, none: "hunter2"},
		{name: "site down", env: map[string]string{"TELEMESSAGE_URL": nowhere, "TELEMESSAGE_USERNAME": "u", "TELEMESSAGE_PASSWORD": "p"}, code: 1,
			want: []string{"the TeleMessage site is not available", "stays open"}},
		{name: "storage down", code: 1, want: []string{"ARCHIVE_STORAGE"},
			env: map[string]string{"ARCHIVE_STORAGE": "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
				"AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;" +
				"BlobEndpoint=" + nowhere + "/devstoreaccount1;TableEndpoint=" + nowhere + "/devstoreaccount1;"}},
		{name: "missing setting", env: map[string]string{"TELEMESSAGE_URL": nowhere}, code: 1,
			want: []string{"TELEMESSAGE_USERNAME", "TELEMESSAGE_PASSWORD"}},
		{name: "bad setting", env: map[string]string{"IMPORT_CONCURRENCY": "many"}, code: 1, kept: true,
			want: []string{"IMPORT_CONCURRENCY", "64"}, none: "many"},
		{name: "Graph over plain HTTP elsewhere", env: map[string]string{"GRAPH_URL": "http://graph.contoso.example"}, code: 1, kept: true,
			want: []string{"GRAPH_URL"}},
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
			if !tt.kept {
				return
			}
			var got printed
			if err := json.Unmarshal([]byte(stdout), &got); err != nil {
				t.Fatalf("no summary: %v", err)
			}
			want := a.day().Expect.Items
			open := got.Records["pending"] + got.Records["excluded"] + got.Records["quarantined"]
			if got.Records["collected"] != want || open != want || got.Copies["imported"] != 0 {
				t.Errorf("records %v, copies %v: want all %d collected and none of them imported", got.Records, got.Copies, want)
			}
		})
	}
}
