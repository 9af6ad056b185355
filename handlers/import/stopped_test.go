//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"o2archiver/local/soak"
	"o2archiver/shared/mailbox/mailboxtest"
)

// TestStoppedProcess stops a real importer by SIGSTOP in the middle of its work, again and again, lets another one
// finish the batch, and then lets the first one go on. In the long form only: each time takes as long as a journal's
// lease lasts.
func TestStoppedProcess(t *testing.T) {
	if !soak.ForTest(t).Long {
		t.Skip("the long form only: make soak")
	}
	binary := filepath.Join(t.TempDir(), "import")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".") // as every handler is built
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the handler: %v\n%s", err, out)
	}
	const rounds = 17
	people, edit := crowd(40)
	w := newWorldOnAzurite(t, edit, func(o *mailboxtest.Options) {
		o.Latency, o.Limits.Off = 30*time.Millisecond, true
	})
	environment := []string{"IN_DOUBT_AFTER=3s", "IMPORT_CONCURRENCY=64"}
	a, b := w.spawn(binary, environment...), w.spawn(binary, environment...)
	for round := range rounds {
		var lines []raw
		for i := range 100 {
			n := len(people)
			lines = append(lines,
				w.line(sms(fmt.Sprintf("r%d-%03d", round, i), "text "+strings.Repeat("x", 30_000), people[i%n],
					people[(i*7+1)%n], people[(i*11+2)%n], people[(i*13+3)%n])))
		}
		batch := w.putIn(fmt.Sprintf("%s-%d", w.folder, round), 1, lines...)
		var group sync.WaitGroup
		group.Go(func() { a.event(batch, fmt.Sprintf("a-%d", round)) })
		creates := w.calls(mailboxtest.Create)
		within(t, "the first one is at work",
			func() bool { return w.calls(mailboxtest.Create) > creates+rand.IntN(60) })
		_ = a.cmd.Process.Signal(syscall.SIGSTOP)
		if status := b.event(batch, fmt.Sprintf("b-%d", round)); status != http.StatusOK {
			t.Errorf("round %d: the second importer answers %d", round, status)
		}
		_ = a.cmd.Process.Signal(syscall.SIGCONT)
		group.Wait()
		w.balanced(batch)
	}
	for _, p := range people {
		seen := map[string]int{}
		for _, m := range w.graph.Messages(p.id()) {
			if seen[m.InternetMessageID]++; seen[m.InternetMessageID] == 2 {
				t.Errorf("a message is with %s twice", p.name)
			}
		}
	}
}
