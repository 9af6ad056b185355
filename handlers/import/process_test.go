package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
)

// asHandler lets this test binary be the handler itself.
const asHandler = "TEST_AS_HANDLER"

// confidential is what a library would write.
const confidential = "confidential: meet me at five, +447700900123"

// runAsHandler runs the handler. Once it listens, the libraries that have a log of their own are told to use it, and
// then the variable's value is printed.
func runAsHandler() {
	go func() {
		for {
			resp, err := http.Get("http://127.0.0.1:" + os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"))
			if err == nil {
				resp.Body.Close()
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		log.Print(confidential)
		otel.Handle(errors.New(confidential))
		otel.SetTracerProvider(otel.GetTracerProvider()) // is an error to its log
		fmt.Println(os.Getenv(asHandler))
	}()
	main()
}

// process is an importer in a process of its own.
type process struct {
	w    *world
	cmd  *exec.Cmd
	base string
}

// spawn starts a built handler and waits until it listens.
func (w *world) spawn(binary string, environment ...string) *process {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(),
		append(environment, fmt.Sprintf("FUNCTIONS_CUSTOMHANDLER_PORT=%d", port), "GRAPH_URL="+w.address,
			"ARCHIVE_STORAGE="+w.connection, "SWEEP_AFTER=0s")...)
	cmd.Stdout, cmd.Stderr = w.log, w.log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	p := &process{w: w, cmd: cmd, base: fmt.Sprintf("http://127.0.0.1:%d", port)}
	w.t.Cleanup(func() {
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
