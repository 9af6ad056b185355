package infra

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Nothing is written, and nothing is asked of Azure, if an argument is wrong.
func TestArgumentsThatAreWrong(t *testing.T) {
	long := strings.Repeat("a", 100_000)
	tests := map[string][]string{"": nil, "run": {"x"}, "tally": {"x"}, "walk": nil, "run:": nil,
		"backfill": {"2026-11-01"}, "backfill:x": {"2026-11-01", "2026-11-02"}, "pause": {"both"},
		"start": {"fetch", "import"}, "check": nil,
		"replay": nil, "answer": nil}
	wrong := [][]string{nil, {"check", "import"}, {"check", "fetch", "jane@contoso.example"}, {"check", "all"}}
	for action, args := range tests {
		wrong = append(wrong, append([]string{action}, args...))
	}
	dates := []string{"", "yesterday", "2026-11-31", "2026-02-29", "2026-00-10", "2026-13-01", "2026-11-00",
		"2026-1-1", "1926-11-01", "2026-11-01T24:00:00Z", "2026-11-01T09:60:00Z", "2026-11-01T09:00:60Z",
		"2026-11-01T09:00:00", "2026-11-01T09:00:00.5Z", "2026-11-01T09:00:00+24:00", "2026-11-01 09:00:00Z",
		"2026-11-01\n", "2026-11-01\n2026-11-02", `2026-11-01","to":"2026-11-02`, "$(touch broken)", "-1", long}
	// The script reads both ends of a range by the same function, so each text is given as one of them.
	for i, date := range dates {
		wrong = append(wrong, [][]string{{"backfill", date, "2026-12-01"}, {"backfill", "2026-01-01", date}}[i%2])
	}
	read := exec.Command(need(t, "bash"), append([]string{"-euc",
		`. ./control.sh; for each; do if instant "$each"; then exit 1; fi; done`, "bash"}, dates...)...)
	if said, err := read.CombinedOutput(); err != nil {
		t.Errorf("a wrong date is taken: %v: %s", err, said)
	}
	wrong = append(wrong, []string{"backfill", "2026-11-02", "2026-11-02"},
		[]string{"backfill", "2026-11-01T00:00:00Z", "2026-11-01T00:30:00+01:00"})
	for _, text := range []string{"", `x"`, `x\`, "a\nb", "$(touch broken)", "`touch broken`", "a;touch broken",
		"@/etc/passwd",
		"--overwrite", "{}", long} {
		wrong = append(wrong, []string{"replay", text}, []string{"replay", "2026/11/23/" + text + "/x"},
			[]string{"answer", text}, []string{"answer", "fetch/" + text})
		if text != "`touch broken`" && text != "{}" && text != "--overwrite" && text != "" {
			wrong = append(wrong, []string{"check", "import", text + "@contoso.example"})
		}
		wrong = append(wrong, []string{"check", "import", text})
	}
	wrong = append(wrong, []string{"replay", "2026/11/23/..", "x"}, []string{"replay", "2026/11/23/run/1.ndjson"},
		[]string{"replay", "2026/11/23/.."}, []string{"check", "import", "jané@contoso.example"})
	const batch = "2026/11/23/run/00001.ndjson"
	for _, list := range []string{"", "0", "1,", ",1", "1 2", "1;2", "1,x", "100000", `1],"x":[1`, "$(touch broken)"} {
		wrong = append(wrong, []string{"replay", batch, "lines", list})
	}
	wrong = append(wrong, []string{"replay", batch, "lines"}, []string{"replay", batch, "reason"},
		[]string{"replay", "2026/11/23/run", "lines", "3"}, []string{"replay", batch, "reason", "no mailbox"},
		[]string{"replay", batch, "reason", `x"`}, []string{"replay", batch, "rows", "3"}, []string{"dryrun"},
		[]string{"dryrun", batch, "lines", "3"}, []string{"dryrun", "run"}, []string{"estimate", "2026-11-01"},
		[]string{"estimate", "2026-11-02", "2026-11-01"})
	for _, args := range wrong {
		d := newDesk(t)
		r := d.run(nil, "command", args...)
		if r.exit() != 2 || len(r.calls) != 0 || strings.Contains(r.out, long[:100]) {
			t.Errorf("command %.100q: exit code %d, %d calls, %.300s", args, r.exit(), len(r.calls), r.out)
		}
	}
	for _, args := range [][]string{nil, {""}, {"x"}, {"a@contoso.example", "b@contoso.example"},
		{`"@contoso.example`}} {
		d := newDesk(t)
		if r := d.run(nil, "check", args...); r.exit() != 2 || len(r.calls) != 0 {
			t.Errorf("check %q: exit code %d, %v", args, r.exit(), r.calls)
		}
	}
	if _, err := os.Stat("broken"); err == nil {
		t.Error("an argument was carried out")
	}
}

// Times are those of package time, for each day of leap years and others, and each offset.
func TestInstants(t *testing.T) {
	var given, want []string
	add := func(form string, at time.Time) {
		given, want = append(given, at.Format(form)), append(want, at.UTC().Format(time.RFC3339))
	}
	for day := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2005; day = day.AddDate(0, 0, 1) {
		add(time.DateOnly, day)
	}
	for _, zone := range []int{-23*3600 - 59*60, -8 * 3600, -1800, 0, 1, 3600, 20700, 14 * 3600} {
		zone -= zone % 60
		for _, day := range []string{"2000-01-01", "2024-02-29", "2026-03-01", "2026-12-31", "2099-12-31"} {
			at, err := time.ParseInLocation(time.DateTime, day+" 09:08:07", time.FixedZone("", zone))
			if err != nil {
				t.Fatal(err)
			}
			add(time.RFC3339, at)
		}
	}
	cmd := exec.Command(need(t, "bash"), "-euc", `. ./control.sh; while read -r each; do instant "$each"; done`)
	cmd.Stdin = strings.NewReader(strings.Join(given, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if diff := cmp.Diff(want, strings.Fields(string(out))); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
}
