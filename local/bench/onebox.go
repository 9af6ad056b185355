package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"o2archiver/local/cloud"
	"o2archiver/local/soak"
)

const (
	oneMailbox = 500            // copies into the single mailbox, or -copies if that is less
	permits    = 3              // the default of MAILBOX_PERMITS
	quota      = 10_000 / 600.0 // requests per second that Graph allows an application for one mailbox
	hourTest   = "TestHourOfImports"
)

// oneBox imports into one mailbox, to which Graph allows a few concurrent requests; not for so long that the quota
// matters.
func (w *world) oneBox(ctx context.Context, r *report) error {
	copies := min(oneMailbox, w.o.copies)
	batches, err := w.stage(ctx,
		day{from: w.day.from.Add(-48 * time.Hour), items: copies, mailboxes: 1, prefix: "one"})
	if err != nil {
		return err
	}
	if err := w.startGraph(w.o.latency); err != nil {
		return err
	}
	if err := w.again(ctx, "import", w.o.concurrency/2); err != nil {
		return err
	}
	did, err := w.importBatches(ctx, batches, w.imports)
	if err != nil {
		return err
	}
	group := fmt.Sprintf("Import into a single mailbox: %d copies, L = %v", copies, w.latency)
	ideal := permits / w.latency.Seconds()
	r.add(group, "copies, the middle 80 % of them", did.middle, "copies/s",
		atLeast(shareOfLimit, quota, "10,000 in 10 minutes, what Graph permits"))
	r.add(group, "  beside what the permits allow", did.middle, "copies/s", compareWith(ideal, "MAILBOX_PERMITS / L"))
	r.add(group, "copies, from the first event to the last answer", did.rate(), "copies/s",
		compareWith(ideal, "MAILBOX_PERMITS / L"))
	r.add(group, "share of answers 429", did.share(), "%", atMost(throttled, "of the requests"))
	return nil
}

// hour runs the test that imports into one mailbox for an hour of virtual time, against the same Graph with its quota,
// and reports its figures. Real time would take too long, because the quota matters only after ten minutes.
func (w *world) hour(ctx context.Context, r *report) error {
	root, err := cloud.Root()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx,
		"go", "test", "-trimpath", "-count=1", "-v", "-run", "^"+hourTest+"$", "./shared/mailbox")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), soak.Variable+"=all")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", hourTest, err, out)
	}
	copies, refused := testAttribute(out, "copies"), testAttribute(out, "throttled")
	if copies == nil || refused == nil {
		return fmt.Errorf("%s does not tell its figures", hourTest)
	}
	const group = "Import into a single mailbox for an hour of virtual time: the library, and Graph with its quota"
	r.add(group, "copies, over the hour", *copies/3600, "copies/s",
		atLeast(shareOfLimit, quota, "10,000 in 10 minutes"))
	r.add(group, "share of answers 429", 100**refused/(*copies+*refused), "%",
		atMost(throttled, "of the requests"))
	return nil
}

// testAttribute returns a number that a test reported with testing.T.Attr.
func testAttribute(out []byte, name string) *float64 {
	m := regexp.MustCompile(`(?m)^=== ATTR  \S+ ` + name + ` (\S+)$`).FindSubmatch(out)
	if m == nil {
		return nil
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return nil
	}
	return &v
}
