package account

import (
	"fmt"
	"strings"

	"o2archiver/shared/journal"
	"o2archiver/shared/status"
)

// issueTexts are the codes of fetch in words, for a positive and for a negative count.
var issueTexts = map[status.Code][2]string{
	status.Staged:   {"items that were received and are in no batch", "items that are in the batches twice"},
	status.Gone:     {"attachments that are gone from the source"},
	status.Rejected: {"messages of a ZIP that can't be read"},
	status.Missing:  {"messages that the manifest of a ZIP lists and the ZIP lacks"},
	status.Empty:    {"messages of a ZIP without content"},
	status.Unlisted: {"messages of a ZIP that its manifest does not list"},
	status.Twice:    {"entries of a ZIP whose name another entry has"},
}

// describeIssue returns a code in words.
func describeIssue(code status.Code, negative bool) string {
	text := issueTexts[code][0]
	if negative && issueTexts[code][1] != "" {
		text = issueTexts[code][1]
	}
	if text == "" {
		text = "another issue, " + cleanText(string(code))
	}
	return text
}

// isOpen reports whether a run has records without an outcome, or is not finished.
func (f Facts) isOpen() bool {
	return f.Manifest == nil || !f.Closed || f.Totals.Records.Pending+f.Totals.Copies.Pending > 0
}

// isAtWork reports whether a run is open and was moved lately. What it lacks by then is among its causes.
func (f Facts) isAtWork() bool { return f.isOpen() && f.Moved }

// stateOf returns how a run stands.
func stateOf(f Facts) State {
	r, m := f.Totals.Records, f.Manifest
	switch {
	case f.Totals.Holds() != nil || m != nil && m.Records != f.Staged:
		return Failed
	case f.isAtWork():
		return Working
	case r.Unmapped+r.Quarantined+r.Failed > 0,
		m != nil && m.SourceTotal != nil && *m.SourceTotal != int64(m.Received),
		len(f.Issues) > 0, f.lacks(), f.Unread:
		return Gaps
	case f.isOpen():
		return Working
	}
	return Whole
}

// difference is a number that should be another one, over several runs: what one has beyond does not make up for what
// another lacks.
type difference struct {
	wants, lacks, beyond int64
	runs                 int
}

func (d *difference) add(wants, has int64) {
	if wants == has {
		return
	}
	d.wants += wants
	d.lacks += max(0, wants-has)
	d.beyond += max(0, has-wants)
	d.runs++
}

// describe adds the difference in words: as one of one run, or as that of several.
func (d difference) describe(add func(string, ...any), one, lacks, beyond string) {
	if d.runs == 1 {
		add(one, d.wants, d.wants-d.lacks+d.beyond)
		return
	}
	if d.lacks > 0 {
		add(lacks, d.lacks)
	}
	if d.beyond > 0 {
		add(beyond, d.beyond)
	}
}

// causesOf returns why runs are not whole, in words: each cause once, with its sum. There is none only if all runs are
// whole.
func causesOf(runs []Facts) []string {
	causes := []string{}
	add := func(format string, args ...any) { causes = append(causes, fmt.Sprintf(format, args...)) }
	var batches, source difference
	var sums []string
	var total journal.Totals
	issues := map[string]int64{}
	counts := map[string]int{}
	for _, f := range runs {
		total = total.Add(f.Totals)
		if err := f.Totals.Holds(); err != nil {
			sums = append(sums, err.Error())
		}
		if m := f.Manifest; m != nil {
			batches.add(int64(m.Records), int64(f.Staged))
			if m.SourceTotal != nil {
				source.add(*m.SourceTotal, int64(m.Received))
			}
		}
		for _, i := range f.Issues {
			issues[describeIssue(i.Code, i.Count < 0)] += max(i.Count, -i.Count)
		}
		counts[unfinishedOf(f)]++
		counts[causeOfZIP(f)]++
		if f.Unread {
			counts["what fetch says about a run can't be read; fetch writes it anew"]++
		}
	}
	if len(sums) > 0 {
		add("a sum does not hold: %s", strings.Join(sums, "; "))
	}
	batches.describe(add, "fetch counts %d records, and its batches hold %d",
		"records that fetch counts and its batches lack: %d", "records in batches that fetch does not count: %d")
	source.describe(add, "the source counts %d items, and %d were received",
		"items that the source counts and that were not received: %d",
		"items that were received and that the source does not count: %d")
	for _, text := range sortedKeys(issues) {
		add("%s: %d", text, issues[text])
	}
	causes = append(causes, causesOfRecords(total)...)
	for _, text := range sortedKeys(counts) {
		switch n := counts[text]; {
		case text == "":
		case n == 1:
			add("%s", text)
		case strings.HasPrefix(text, "a ZIP"):
			add("%s: %d", text, n)
		default:
			add("%s: %d runs", text, n)
		}
	}
	return causes
}

// unfinishedOf returns what a run waits for, "" if it is nothing.
func unfinishedOf(f Facts) string {
	switch {
	case f.Manifest == nil:
		return "fetch has not finished the run"
	case !f.Counted && !f.Closed:
		return "fetch has finished the run, and import has not counted it yet"
	case !f.Closed:
		return "import has not finished the run"
	}
	return ""
}

// causesOfRecords returns the outcomes that are not whole.
func causesOfRecords(t journal.Totals) (causes []string) {
	r := t.Records
	for _, part := range []struct {
		n    int
		what string
	}{{r.Unmapped, "without a mailbox"}, {r.Quarantined, "quarantined"}, {r.Failed, "failed"},
		{r.Pending, "without an outcome yet"}} {
		if part.n > 0 {
			causes = append(causes, fmt.Sprintf("%d records %s", part.n, part.what))
		}
	}
	if n := t.Copies.Pending; n > 0 && r.Pending == 0 {
		causes = append(causes, fmt.Sprintf("%d copies without an outcome yet", n))
	}
	return causes
}
