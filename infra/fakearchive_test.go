package infra

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"o2archiver/shared/journal"
)

// blobs are what the archive holds: container → name → content.
var blobs = map[string]map[string]string{
	"batches": {
		"2026/11/23/run/00001.ndjson": "{}\n",
		"2026/11/23/run/manifest.json": `{"v":1,"batches":[{"name":"2026/11/23/run/00001.ndjson","sha256":"` +
			sha("{}\n") + `"}]}`,
		"2026/11/24/run/00001.ndjson": "{}\n", // of a run that is not finished
	},
	"media":       {sha("hello"): "hello", "2026/11/28/" + sha("hello"): "hello", "raw/1": "?"},
	"journal":     {"2026/11/23/run/00001.jsonl": journalOf("2026/11/23/run/00001.ndjson")},
	"checkpoints": {"fetch.json": "{}", "waiting/media-1.json": "{}"},
	"sweeps":      {"sweep.json": "{}"},
}

func sha(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// memoryLogs keeps journals in memory.
type memoryLogs map[string][]byte

func (l memoryLogs) Acquire(ctx context.Context, name string) (journal.Lease, bool, error) {
	return memoryLease{ctx, l, name}, true, nil
}

// memoryLease is the lease of one log.
type memoryLease struct {
	held context.Context
	logs memoryLogs
	name string
}

func (l memoryLease) Context() context.Context { return l.held }

func (l memoryLease) Append(_ context.Context, _ int64, data []byte) error {
	l.logs[l.name] = append(l.logs[l.name], data...)
	return nil
}

func (l memoryLease) Release() {}

func (l memoryLogs) Read(context.Context, string) (io.ReadCloser, int64, error) { return nil, -1, nil }

func (l memoryLogs) Tail(context.Context, string, int64) ([]byte, int64, error) { return nil, -1, nil }

// journalOf writes the journal of a batch as import does.
func journalOf(batch string) (text string) {
	logs := memoryLogs{}
	j, err := journal.Open(context.Background(), logs, batch, "invocation", func() time.Time { return time.Unix(1, 0) })
	if err == nil {
		j.Record(journal.Record{Line: 1, Records: 1, Outcome: journal.Excluded})
		err = j.Finish(context.Background())
		j.Close()
	}
	if err != nil {
		panic(err) // of the test's own making
	}
	for _, log := range logs {
		text = string(log)
	}
	return text
}

// download refuses a file that is there, as az does.
func download(container, to string, overwrite bool) int {
	for name, content := range blobs[container] {
		switch os.Getenv("FAKE_CHANGED") {
		case container:
			content = strings.Replace(content, content[:1], "!", 1)
		case path.Base(name): // lost on the way, and something else there in its place
			name += ".part"
		}
		file := filepath.Join(to, filepath.FromSlash(name))
		if _, err := os.Stat(file); err == nil && !overwrite {
			fmt.Fprintf(os.Stderr, "az storage blob download-batch: %s already exists in %s\n", name, to)
			return 1
		}
		if os.MkdirAll(filepath.Dir(file), 0o700) != nil || os.WriteFile(file, []byte(content), 0o600) != nil {
			return 1
		}
	}
	return 0
}

// fakeLedger returns two pages, in the form of the real az.
func fakeLedger(flags map[string]string) (string, int) {
	page, next := "1", map[string]any{"nextpartitionkey": "1!4!cA==", "nextrowkey": "1!4!cg=="}
	switch flags["--marker"] {
	case "":
	case "nextpartitionkey=1!4!cA== nextrowkey=1!4!cg==":
		page, next = "2", map[string]any{"nextpartitionkey": nil, "nextrowkey": nil}
		if setting("FAKE_EMPTY_MARKER") == 1 {
			next = map[string]any{}
		}
	default:
		fmt.Fprintf(os.Stderr, "az storage entity query: --marker %s\n", flags["--marker"])
		return "", 1
	}
	raw, err := json.MarshalIndent(struct {
		Items      []any          `json:"items"`
		NextMarker map[string]any `json:"nextMarker"`
	}{[]any{map[string]string{"PartitionKey": page}}, next}, "", "  ")
	if err != nil {
		return "", 1
	}
	return string(raw) + "\n", 0
}
