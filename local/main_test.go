package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestMaxSinglePost holds the number that the export goes by to the importer's.
func TestMaxSinglePost(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "shared", "mailbox", "upload.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "\nconst MaxSinglePost = ")
	text, _, _ := strings.Cut(rest, "\n")
	if n, err := strconv.Atoi(strings.ReplaceAll(text, "_", "")); err != nil || n != maxSinglePost {
		t.Errorf("mailbox.MaxSinglePost is %q (%v), want %d", text, err, maxSinglePost)
	}
}

// TestCommandLine: what can be told at once is told at once.
func TestCommandLine(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine.eml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want []string // on standard error
	}{
		{"help", []string{"-h"}, 0,
			[]string{"Usage: go run ./local", "TELEMESSAGE_URL", "GRAPH_URL", "-check-mapping"}},
		{"unknown flag", []string{"-frobnicate"}, 2, []string{"frobnicate", "Usage"}},
		{"argument", []string{"mapping.csv"}, 2, []string{"no arguments", "Usage"}},
		{"unknown host", []string{"-host", "mainframe"}, 2, []string{"standin or func"}},
		{"fewer texts than none", []string{"-texts", "-1"}, 2, []string{"-texts"}},
		{"export into a folder that is not empty", []string{"-export", full}, 2, []string{"-export", "not empty"}},
		{"export into a file", []string{"-export", filepath.Join(full, "mine.eml")}, 2, []string{"-export"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newArchive(t)
			code, stdout, stderr := a.run(tt.args...)
			if code != tt.code || stdout != "" {
				t.Errorf("exit code %d, want %d; standard output %q", code, tt.code, stdout)
			}
			for _, want := range tt.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in what was said:\n%s", want, stderr)
				}
			}
			for line := range strings.Lines(strings.ReplaceAll(stderr, "\t", "    ")) {
				if width := len(strings.TrimSuffix(line, "\n")); width > 80 && !strings.Contains(line, full) {
					t.Errorf("%d columns: %s", width, line)
				}
			}
			if left, err := os.ReadDir(a.dir); err != nil || len(left) > 0 {
				t.Errorf("something was started: %v, %v", left, err)
			}
		})
	}
}
