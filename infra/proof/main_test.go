package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRun(t *testing.T) {
	digest := sha256.Sum256([]byte("hello"))
	sum, folder := hex.EncodeToString(digest[:]), t.TempDir()
	attachment := filepath.Join(folder, "media", sum)
	if err := os.Mkdir(filepath.Dir(attachment), 0o700); err != nil {
		t.Fatal(err)
	}
	// The list of an earlier proof stays if the folder has changed since, and is not in the next list.
	for _, c := range []struct{ content, out, fails string }{
		{content: "hello",
			out: "Proven: 1 attachments by their names, 0 batches by 0 manifests, 0 journals line by line.\n"},
		{content: "hell", fails: "what was exported is not what was archived:\nmedia/" + sum +
			" is not what its name says"},
		{content: "hello",
			out: "Proven: 1 attachments by their names, 0 batches by 0 manifests, 0 journals line by line.\n"},
	} {
		if err := os.WriteFile(attachment, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, fails strings.Builder
		if err := run(t.Context(), folder, &out); err != nil {
			fails.WriteString(err.Error())
		}
		if diff := cmp.Diff([]string{c.out, c.fails}, []string{out.String(), fails.String()}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.content, diff)
		}
		raw, err := os.ReadFile(filepath.Join(folder, list))
		if diff := cmp.Diff(sum+"  media/"+sum+"\n", string(raw)); diff != "" || err != nil {
			t.Errorf("the list (-want +got): %v\n%s", err, diff)
		}
		if there, err := os.ReadDir(folder); err != nil || len(there) != 2 { // media and the list
			t.Errorf("%d files are in the folder: %v", len(there), err)
		}
	}
}
