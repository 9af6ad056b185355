//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
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

// process is a built importer.
type process struct {
	w    *world
	cmd  *exec.Cmd
	base string
}

// spawn starts the built handler and waits until it listens.
func (w *world) spawn(binary string, environment ...string) *process {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), append(environment, fmt.Sprintf("FUNCTIONS_CUSTOMHANDLER_PORT=%d", port), "GRAPH_URL="+w.address,
		"ARCHIVE_STORAGE="+w.connection, "SWEEP_AFTER=0s")...)
	cmd.Stdout, cmd.Stderr = w.log, w.log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	p := &process{w: w, cmd: cmd, base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	w.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGCONT)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	within(w.t, "the handler listens", func() bool {
		resp, err := http.Get(p.base)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return p
}

// event delivers a batch and returns the status.
func (p *process) event(batch, invocation string) int {
	uri, _ := json.Marshal(p.w.store.Batches().URI(batch))
	body, _ := json.Marshal(map[string]any{"Data": map[string]any{}, "Metadata": map[string]string{"Uri": string(uri)}})
	r, err := http.NewRequest(http.MethodPost, p.base+"/import", strings.NewReader(string(body)))
	if err != nil {
		return 0
	}
	r.Header.Set("X-Azure-Functions-InvocationId", invocation)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestStoppedProcess stops a real importer by SIGSTOP in the middle of its work, again and again, lets another one
// finish the batch, and then lets the first one go on. In the long form only: each time takes as long as a journal's
// lease lasts.
func TestStoppedProcess(t *testing.T) {
	if !soak.ForTest(t).Long {
		t.Skip("the long form only: make soak")
	}
	binary := filepath.Join(t.TempDir(), "import")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
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
			lines = append(lines, w.line(sms(fmt.Sprintf("r%d-%03d", round, i), "text "+strings.Repeat("x", 30_000), people[i%n],
				people[(i*7+1)%n], people[(i*11+2)%n], people[(i*13+3)%n])))
		}
		batch := w.putIn(fmt.Sprintf("%s-%d", w.folder, round), 1, lines...)
		var group sync.WaitGroup
		group.Go(func() { a.event(batch, fmt.Sprintf("a-%d", round)) })
		creates := w.calls(mailboxtest.Create)
		within(t, "the first one is at work", func() bool { return w.calls(mailboxtest.Create) > creates+rand.IntN(60) })
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
