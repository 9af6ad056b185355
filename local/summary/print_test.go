package summary

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"o2archiver/local/cloud"
	"o2archiver/shared/journal"
	"o2archiver/shared/report"
)

// documented is the example of docs/local.md, as text and as what it says.
func documented(t *testing.T) (text string, s *report.Summary) {
	t.Helper()
	root, err := cloud.Root()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(root, "docs", "local.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(raw), "```json\n")
	text, _, ended := strings.Cut(text, "```\n")
	if !found || !ended {
		t.Fatal("docs/local.md has no JSON")
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		t.Fatalf("the JSON of docs/local.md is not the summary's: %v", err)
	}
	return text, s
}

// TestJSONIsAsDocumented: no field more, none fewer, none of another type, and an example that can be.
func TestJSONIsAsDocumented(t *testing.T) {
	text, s := documented(t)
	again, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(again)+"\n"); diff != "" {
		t.Errorf("(-docs/local.md +written):\n%s", diff)
	}
	if err := s.Totals.Holds(); err != nil {
		t.Error(err)
	}
	var sum report.Outcomes
	for _, o := range s.Types {
		sum.Archived += o.Archived
		sum.Unmapped += o.Unmapped
		sum.Excluded += o.Excluded
		sum.Quarantined += o.Quarantined
		sum.Failed += o.Failed
	}
	r := s.Records
	if diff := cmp.Diff(report.Outcomes{Archived: r.Archived, Unmapped: r.Unmapped,
		Excluded: r.Excluded, Quarantined: r.Quarantined, Failed: r.Failed}, sum); diff != "" {
		t.Errorf("the types don't add up (-records +types):\n%s", diff)
	}
}

var update = flag.Bool("update", false, "write the golden file")

// TestPrintFitsTerminal: nothing is wider than 80 columns, with the largest numbers and the longest words.
func TestPrintFitsTerminal(t *testing.T) {
	const n = 999_999_999
	total := int64(n)
	all := report.Outcomes{Archived: n, Unmapped: n, Excluded: n, Quarantined: n, Failed: n}
	s := &report.Summary{
		Totals: journal.Totals{Records: journal.RecordTotals{Collected: 6 * n, Archived: n, Unmapped: n, Excluded: n,
			Quarantined: n, Failed: n, Pending: n,
			LeftOut: n, Incomplete: n, Differing: n},
			Copies: journal.CopyTotals{Planned: 5 * n, Imported: n, Duplicate: n, Oversize: n, Failed: n, Pending: n}},
		Source: report.Source{Total: &total, Received: n}, Runs: report.Runs{All: n, Open: n},
		Types: map[string]report.Outcomes{"": all, "CALL_AUDIO": all, "EINE_SEHR_LANGE_NACHRICHTENART": all},
		Reasons: map[string]int{
			"the item can't be read: field messageTime: is missing or not in the form of RFC 3339, and so is every " +
				"other field of it": n,
			"x" + strings.Repeat("y", 200): 1, "a short one": 2, "two words, the second long " + strings.Repeat("z",
				61): 3},
		LeftOut: map[string]int{"to[].fullName.firstName": n,
			"callInfo.callDurationInMillis": 1}, Absent: map[string]int{"textContent": n},
		Unmapped: map[string]int{}, Incomplete: n, Differing: n,
	}
	for i := range 20 {
		s.Unmapped[fmt.Sprintf("+4477009%02d•••", i)] = n - i
	}
	var b strings.Builder
	PrintText(&b, s, 47*time.Hour+59*time.Minute+59900*time.Millisecond)
	golden := filepath.Join("testdata", "widest.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("(-%s +printed):\n%s", golden, diff)
	}
	for line := range strings.Lines(b.String()) {
		if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); width > columns {
			t.Errorf("%d columns: %s", width, line)
		}
	}
}

// TestPrint: what is pending is never called settled, and every word that is ours is explained.
func TestPrint(t *testing.T) {
	_, pending := documented(t)
	pending.Absent = map[string]int{"textContent": 1}
	failed := &report.Summary{}
	open := &report.Summary{Totals: journal.Totals{Records: journal.RecordTotals{Collected: 3, Archived: 1, Pending: 2},
		Copies: journal.CopyTotals{Planned: 1, Imported: 1}},
		Runs: report.Runs{All: 2, Open: 1}}
	settled := &report.Summary{Runs: report.Runs{All: 1},
		Totals: journal.Totals{Records: journal.RecordTotals{Collected: 1, Archived: 1},
			Copies: journal.CopyTotals{Planned: 1, Imported: 1}}}
	broken := &report.Summary{Totals: journal.Totals{Records: journal.RecordTotals{Collected: 2, Archived: 1}}}
	for _, tt := range []struct {
		name  string
		s     *report.Summary
		want  []string
		never string
	}{
		{"pending", pending, []string{"after 1m2.5s",
			"Both sums hold. Records still pending: 4; copies still pending: 0", "(no type)",
			"says it holds: 120; received: 120",
			"gone for good at the source: 3;", "content or participants: 1;", "JSON type or a\n  bound: 2",
			"1 × to[].email", "1 × textContent", "2 × the item can't be read", "12 × +447700900•••",
			"unmapped     no one in it", "excluded     the source's", "quarantined  no message",
			"duplicate    the mailbox has", "oversize     imported"}, "has its outcome"},
		{"settled", settled, []string{"Both sums hold: every record and every copy has its outcome.", "does not say"},
			"pending:"},
		{"broken", broken, nil, "sums hold"},
		{"nothing collected", failed, []string{"Nothing was collected", "Nothing was received from the source"},
			"sums hold"},
		{"fetch not finished", open,
			[]string{"Both sums hold for what was collected so far. Runs of fetch not finished: 1;"},
			"has its outcome"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			PrintText(&b, tt.s, 62520*time.Millisecond)
			for _, want := range tt.want {
				if !strings.Contains(b.String(), want) {
					t.Errorf("%q is not in:\n%s", want, b.String())
				}
			}
			if strings.Contains(b.String(), tt.never) {
				t.Errorf("%q is in:\n%s", tt.never, b.String())
			}
		})
	}
}
