package account

import (
	"context"
	"strings"

	"o2archiver/shared/archive/layout"
	"o2archiver/shared/status"
)

// outcomeText is what became of a ZIP that was not read, in words.
type outcomeText struct{ says, do string }

// outcomeTexts has the outcomes of ZIPs that were not read. A test holds it to those of package status.
var outcomeTexts = map[string]outcomeText{
	status.OutcomeBroken: {"The ZIP can't be opened, so nothing of it was read. Its copy is kept.", again},
	status.OutcomeGone:   {"The ZIP was taken away before it was copied, so nothing of it was read.", again},
	status.OutcomeSame: {"The ZIP has the bytes of one that was read before, so it was not read again.",
		"Nothing: its messages are in the other run."},
	status.OutcomeReplaced: {"Another file came in the place of the ZIP before it was copied, and is read instead.",
		"Nothing: that file is a run of its own."},
}

// again is what to do about a ZIP whose messages are nowhere.
const again = "Ask the vendor to send the file again; if it was in the folder imports, put it there " +
	"again. The next run of fetch reads it, or the command Fetch now."

// outcomeOf returns what became of a ZIP that was not read, in words; ok is false if it was read, or is none.
func outcomeOf(f Facts) (t outcomeText, ok bool) {
	t, ok = outcomeTexts[f.Outcome]
	switch {
	case f.Again != "":
		t.do = "Nothing: the file came again, and was read as the run " + f.Again + "."
	case f.Beside != "":
		t.do = "Another file with that number was found at the same time and read as the run " + f.Beside +
			". It may be the older one: compare the two. " + t.do
	}
	return t, ok
}

// Words returns the outcome with its reasons.
func (z *ZIP) Words() string {
	if len(z.Reasons) == 0 {
		return z.Says
	}
	return z.Says + " Fetch says: " + strings.Join(z.Reasons, "; ") + "."
}

// besideOthers returns what is known of a ZIP that was not read when the other runs of its day are known, too.
func (r *Reader) besideOthers(ctx context.Context, f Facts) (Facts, error) {
	day := WindowBegin(f)
	runs, err := r.Runs(ctx, day, day)
	if err != nil {
		return Facts{}, err
	}
	for _, other := range runs {
		if other.Run == f.Run {
			return other, nil
		}
	}
	return f, nil
}

// lacks reports whether messages of the ZIP are missing, by its outcome.
func (f Facts) lacks() bool {
	switch f.Outcome {
	case "", status.OutcomeSame, status.OutcomeReplaced:
		return false
	}
	return f.Again == ""
}

// causeOfZIP returns in words why a ZIP is not whole, "" if it is, or if its issues say it.
func causeOfZIP(f Facts) string {
	switch {
	case !f.lacks():
		return ""
	case f.Outcome == status.OutcomeBroken:
		return "a ZIP that can't be opened, so that nothing of it was read"
	case f.Outcome == status.OutcomeGone:
		return "a ZIP that was taken away before it was copied"
	case len(f.Why) > 0:
		return "fetch calls a ZIP incomplete: " + cleanText(strings.Join(f.Why, "; "))
	}
	return "a ZIP that fetch calls incomplete; the event fetch.deliveryIncomplete has the reasons"
}

// noteAgain notes, with each ZIP that was not read, the run of a later one that has its day and its file number. All
// ZIPs of one listing are planned at the same time: of two of them nothing tells which is the later one.
func noteAgain(runs []Facts) {
	read := map[string]Facts{} // by day and number: the last that was read
	for _, f := range runs {
		name := layout.DeliveryOf(f.Run)
		if name == "" || f.Manifest == nil || status.IsUnread(f.Outcome) {
			continue
		}
		if last, ok := read[name]; !ok || last.Manifest.Started.Before(f.Manifest.Started) {
			read[name] = f
		}
	}
	for i := range runs {
		f := &runs[i]
		name := layout.DeliveryOf(f.Run)
		if name == "" || f.Manifest == nil || !f.lacks() || !status.IsUnread(f.Outcome) {
			continue
		}
		r, ok := read[name]
		switch {
		case !ok:
		case r.Manifest.Started.After(f.Manifest.Started):
			f.Again = r.Run
		case r.Manifest.Started.Equal(f.Manifest.Started):
			f.Beside = r.Run
		}
	}
}

// withBatches returns how many of the runs are not those of ZIPs that were not read.
func withBatches(runs []Facts) (n int) {
	for _, f := range runs {
		if !status.IsUnread(f.Outcome) {
			n++
		}
	}
	return n
}
