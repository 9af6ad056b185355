package deliveries

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"o2archiver/shared/archive"
	"o2archiver/shared/retry"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/zipread"
)

// Report is what became of a ZIP. It has counts and reasons, and no name that stood in the ZIP.
type Report struct {
	Version  int       `json:"v"` // 1
	Run      string    `json:"run"`
	Copy     string    `json:"copy"` // of the ZIP, within the container deliveries
	SHA256   string    `json:"sha256"`
	Size     int64     `json:"size"`
	Day      time.Time `json:"day,omitzero"` // in its name
	Number   int64     `json:"number"`
	Import   *Import   `json:"import,omitempty"` // settings with which a ZIP of the folder imports was read
	Outcome  string    `json:"outcome"`
	Reasons  []string  `json:"reasons,omitempty"`
	Finished time.Time `json:"finished"`

	Messages    int    `json:"messages"`          // each is a line of a batch
	Quarantined int    `json:"quarantined"`       // of these, with a reason in the line
	Counted     *int64 `json:"counted,omitempty"` // messages, as the manifest counts; nil if it does not
	Others      int    `json:"others"`            // entries that are neither messages nor manifests; the copy has them
	Listed      int    `json:"listed"`            // names of entries in the manifest
	Missing     int    `json:"missing"`
	Empty       int    `json:"empty"`
	Unlisted    int    `json:"unlisted"`
	Twice       int    `json:"twice"`
	Unsafe      int    `json:"unsafe"` // files that were read although their names are paths that lead elsewhere
}

// maxLists is the number of manifests in one ZIP that are read.
const maxLists = 10

// finish judges the ZIP, a delivery of the vendor's by the vendor's rules, and writes its report and then the run's
// manifest.
func (r *reading) finish(ctx context.Context, log *slog.Logger) (ending, error) {
	report, err := r.judge(ctx)
	if err != nil {
		return ending{}, err
	}
	err = retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) error {
		_, err := r.Reports.Put(ctx, r.form.report(r.z.Folder), report, "*", nil)
		return err
	})
	if err != nil {
		return ending{}, fmt.Errorf("write the report of a delivery: %w", err)
	}
	p := r.z.Progress
	from, to := r.z.window()
	m := archive.Manifest{
		Version: 1, Kind: r.form.manifest, From: from, To: to, Started: r.z.Planned,
		Finished: r.Now().UTC(), Received: p.Received, Records: p.Records, Derived: p.Derived,
		SourceTotal: report.Counted,
	}
	var batches, staged int
	err = retry.DoFor(ctx, r.limits.storage, func(ctx context.Context) (err error) {
		batches, staged, err = r.Batches.WriteManifest(ctx, r.z.Folder, m)
		return err
	})
	if err != nil {
		return ending{}, err
	}
	end := ending{outcome: report.Outcome}
	end.late = !r.Reporter.CloseRun(ctx, r.z.Folder, report.detail())
	log.Info("delivery read", "event", "fetch.deliveryRead", "outcome", report.Outcome, "bytes", r.z.Size,
		"received", p.Received, "records", p.Records, "quarantined", p.Quarantined, "batches", batches)
	if report.Outcome == Incomplete {
		log.Error(r.form.incomplete, "event", "fetch.deliveryIncomplete", "reasons", strings.Join(report.Reasons, "; "),
			"received", p.Received, "quarantined", p.Quarantined)
	}
	if staged != p.Received {
		log.Error("the batches differ from what was received", "event", "fetch.batchesDiffer",
			"expected", p.Received, "records", p.Records, "staged", staged)
	}
	return end, nil
}

// window returns the day that a ZIP is of: that in its name, or else that on which it was planned.
func (z *ZIP) window() (from, to time.Time) {
	from = z.Day
	if from.IsZero() {
		from = z.Planned.UTC().Truncate(dayLength)
	}
	return from, from.Add(dayLength)
}

// judge returns the report of the ZIP.
func (r *reading) judge(ctx context.Context) (Report, error) {
	z, p := r.z, r.z.Progress
	report := Report{Version: 1, Run: z.Folder, Copy: z.CopyName(), SHA256: z.SHA256, Size: z.Size, Day: z.Day,
		Number: z.Number, Import: z.Import, Finished: r.Now().UTC(), Messages: p.Received, Quarantined: p.Quarantined}
	for _, e := range r.zip.Entries {
		switch {
		case e.Twice:
			report.Twice++
		case e.Kind == zipread.Message && e.Problem == zipread.UnsafeName:
			report.Unsafe++
		}
	}
	if z.Import != nil {
		report.Others, report.Reasons = judgeImport(r.zip.Entries)
	} else if err := r.judgeDelivery(ctx, &report); err != nil {
		return report, err
	}
	report.Reasons = append(report.Reasons, reasonsOf("messages", p.Problems)...)
	report.Outcome = Complete
	if len(report.Reasons) > 0 {
		report.Outcome = Incomplete
	}
	return report, nil
}

// reasonsOf returns the reasons for which entries of one kind cannot be read, with their numbers.
func reasonsOf(kind string, problems map[string]int) (reasons []string) {
	for _, problem := range slices.Sorted(maps.Keys(problems)) {
		reasons = append(reasons, fmt.Sprintf("%s that can't be read: %d, of each: %s", kind, problems[problem],
			problem))
	}
	return reasons
}

// judgeDelivery reads the manifests of the ZIP, compares its entries with them, and reads what they list besides
// messages.
func (r *reading) judgeDelivery(ctx context.Context, report *Report) error {
	names := make(map[string]bool, len(r.zip.Entries))
	for _, e := range r.zip.Entries {
		names[e.Name] = true
	}
	files := make([]delivery.File, 0, len(r.zip.Entries))
	var lists []*delivery.ListManifest
	unread, found, over, size := 0, 0, 0, int64(0)
	for _, e := range r.zip.Entries {
		files = append(files, delivery.File{Name: e.Name, Message: e.Kind == zipread.Message,
			Manifest: e.Kind == zipread.Manifest, Empty: e.Size == 0, Twice: e.Twice,
			Folder: e.Problem == zipread.Folder})
		if e.Kind != zipread.Manifest {
			continue
		}
		if found++; found > maxLists {
			continue
		}
		if size > 0 && e.Readable() && size+e.Size > r.limits.lists {
			over++
			continue
		}
		list, problem, err := r.readList(ctx, e, names)
		if err != nil {
			return fmt.Errorf("read the manifest of a delivery: %w", err)
		}
		size += r.zip.Counted(e)
		if problem != "" {
			unread++
			continue
		}
		report.Listed += len(list.Listed)
		lists = append(lists, list)
	}
	if unread == 0 && over == 0 && found <= maxLists {
		report.Counted = countOf(lists)
	}
	verdict := delivery.JudgeZIP(files, lists)
	report.Missing, report.Empty, report.Unlisted = len(verdict.Missing), len(verdict.Empty), len(verdict.Unlisted)
	report.Reasons = append(report.Reasons, verdict.Reasons...)
	if unread > 0 {
		report.Reasons = append(report.Reasons, fmt.Sprintf("manifests that can't be read: %d", unread))
	}
	if over > 0 {
		report.Reasons = append(report.Reasons,
			fmt.Sprintf("manifests that are not read, as all are too large together: %d", over))
	}
	if found > maxLists {
		report.Reasons = append(report.Reasons, fmt.Sprintf("%d manifests are more than are read", found))
	}
	return r.judgeOthers(ctx, report, lists)
}

// judgeOthers judges the entries that are neither messages nor manifests. Those that a manifest lists are read to their
// ends, because what the vendor counts as delivered has to be in the copy of the ZIP. Of the others only what the
// directory shows is judged: they are reported as not listed.
func (r *reading) judgeOthers(ctx context.Context, report *Report, lists []*delivery.ListManifest) error {
	isListed := func(e zipread.Entry) bool {
		return slices.ContainsFunc(lists, func(list *delivery.ListManifest) bool { return list.Listed[e.Name] })
	}
	problems := map[string]int{}
	var toRead []zipread.Entry
	for _, e := range r.zip.Entries {
		listed := isListed(e)
		if e.Kind != zipread.Other || e.Problem == zipread.Folder && !listed && e.Size == 0 {
			continue
		}
		report.Others++
		switch {
		case listed:
			toRead = append(toRead, e)
		case !e.Readable():
			problems[string(e.Problem)]++
		}
	}
	late, err := r.readOthers(ctx, report, toRead, problems)
	if err != nil {
		return fmt.Errorf("read a listed file of a delivery: %w", err)
	}
	report.Reasons = append(report.Reasons, reasonsOf("other files", problems)...)
	if late > 0 {
		report.Reasons = append(report.Reasons, fmt.Sprintf("listed files that were not read in time: %d", late))
	}
	return nil
}

// readOthers reads entries that are no messages and counts their problems. No progress is kept of it, so it has limits
// of its own, within those of a turn: it returns how many entries were left when one of them was reached. The entries
// are read in the order of their content, whatever that of the directory is, because the ZIP is read in blocks.
func (r *reading) readOthers(ctx context.Context, report *Report, entries []zipread.Entry, problems map[string]int) (
	late int, err error) {
	slices.SortStableFunc(entries, func(a, b zipread.Entry) int { return cmp.Compare(a.Offset, b.Offset) })
	began, before := time.Now(), r.total
	for _, e := range entries {
		if err := context.Cause(ctx); err != nil {
			return 0, err // what was not read because the invocation ends is not late
		}
		if e.Readable() && (time.Since(began) >= r.limits.others || r.total-before >= r.limits.content) {
			late++
			continue
		}
		problem, err := r.readOther(e)
		if err != nil {
			return 0, err
		}
		if problem != "" {
			problems[string(problem)]++
		} else if e.Problem == zipread.UnsafeName {
			report.Unsafe++
		}
	}
	return late, nil
}

// readOther reads an entry that is no message to its end, with the limits of a message. Its bytes count with those of
// the messages, which were read before.
func (r *reading) readOther(e zipread.Entry) (zipread.Problem, error) {
	if e.Readable() && r.total > r.contents.Total {
		return zipread.OverTotal, nil
	}
	problem, err := r.readFirst(e, func(in io.Reader) error {
		_, err := io.Copy(io.Discard, in)
		return err
	})
	if r.total += r.zip.Counted(e); problem == "" && r.total > r.contents.Total {
		problem = zipread.OverTotal
	}
	return problem, err
}

// countOf returns the number of messages that the manifests of a ZIP state, nil if that of one of them is not certain.
func countOf(lists []*delivery.ListManifest) *int64 {
	total := int64(0)
	for _, list := range lists {
		if list.Count < 0 || list.Disagrees || list.Unclear || list.Cut {
			return nil
		}
		total += int64(list.Count)
	}
	if len(lists) == 0 {
		return nil
	}
	return &total
}

// readList reads a manifest of the ZIP.
func (r *reading) readList(ctx context.Context, e zipread.Entry, names map[string]bool) (
	list *delivery.ListManifest, problem zipread.Problem, err error) {
	if err := context.Cause(ctx); err != nil {
		return nil, "", err
	}
	problem, err = r.zip.Read(e, func(in io.Reader) (err error) {
		list, err = delivery.ReadManifest(ctx, in, func(name string) bool { return names[name] })
		return err
	})
	return list, problem, err
}
