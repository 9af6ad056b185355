package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/local/azurite"
	"o2archiver/shared/archivetest"
)

// asHandler lets this test binary be the handler itself.
const asHandler = "TEST_AS_HANDLER"

func TestMain(m *testing.M) {
	if os.Getenv(asHandler) != "" {
		main()
	}
	os.Exit(m.Run())
}

// startProcess starts the handler as a process of its own and returns what it writes, and its address.
func startProcess(t *testing.T, site string, env ...string) (output *archivetest.Lines, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(address)
	output = &archivetest.Lines{}
	process := exec.CommandContext(t.Context(), os.Args[0])
	process.Env = append(append(os.Environ(), asHandler+"=1", "FUNCTIONS_CUSTOMHANDLER_PORT="+port,
		"TELEMESSAGE_URL="+site,
		"TELEMESSAGE_USERNAME="+fetchtest.Username, "TELEMESSAGE_PASSWORD="+fetchtest.Password, "ARCHIVE_STORAGE="+
			azurite.ForTest(t).ConnectionString()), env...)
	process.Stdout, process.Stderr = output, output
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	for range 300 {
		if resp, err := http.Get("http://" + address + "/"); err == nil {
			resp.Body.Close()
			return output, address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("the handler does not answer:\n%s", output)
	return nil, ""
}

// fire starts the function as the host's timer does.
func fire(t *testing.T, address string) (status int) {
	t.Helper()
	resp, err := http.Post("http://"+address+"/fetch", "application/json",
		strings.NewReader(`{"Data":{"timer":{}},"Metadata":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Error(err)
	}
	return resp.StatusCode
}

// awaitLine waits until the handler has written the text, which its pipe may hold up.
func awaitLine(t *testing.T, output *archivetest.Lines, text string) {
	t.Helper()
	for range 300 {
		if strings.Contains(output.String(), text) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("%s is not in the handler's log:\n%s", text, output)
}

// What a site sends is nowhere in what the handler writes, whatever the libraries think of it, and whatever they are
// told to say.
func TestLibrariesWriteNothing(t *testing.T) {
	fetchtest.NewWorldOnAzurite(t)
	const text, number = "confidential: meet me at five", "+447700900123"
	var behind atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		conn, buf, err := rw.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		page := `{"items":[]}`
		if strings.Contains(r.URL.Path, "count") {
			page = `{"total":0}`
		}
		fmt.Fprintf(buf, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(page),
			page)
		_ = buf.Flush()
		time.Sleep(100 * time.Millisecond) // the client has read its answer, and keeps the connection
		fmt.Fprintf(buf, `{"textContent":%q,"from":{"value":%q}}`, text, number)
		_ = buf.Flush()
		behind.Add(1)
		time.Sleep(200 * time.Millisecond)
	}))
	t.Cleanup(server.Close)
	output, address := startProcess(t, server.URL, "GODEBUG=http2debug=2", "AZURE_SDK_GO_LOGGING=all")
	if status := fire(t, address); status != http.StatusOK {
		t.Fatalf("status %d:\n%s", status, output)
	}
	awaitLine(t, output, `"event":"fetch.ended"`)
	if behind.Load() == 0 {
		t.Fatal("nothing was sent behind an answer")
	}
	for _, secret := range []string{text, number, "Unsolicited", "REQUEST/RESPONSE",
		strings.TrimPrefix(server.URL, "http://")} {
		if strings.Contains(output.String(), secret) {
			t.Errorf("%q is in what the handler writes:\n%s", secret, output)
		}
	}
	for line := range bytes.Lines([]byte(output.String())) {
		if !bytes.HasPrefix(line, []byte(`{"time":`)) {
			t.Errorf("a line that is not the handler's: %s", line)
		}
	}
}

// A wrong password is tried once a run, and the host, which would try a failed run three more times, hears of a
// success.
func TestCredentialsAreTriedOnce(t *testing.T) {
	for _, answer := range []struct {
		status int
		body   string
	}{{401, `{"code":300}`}, {401, `{"code":301}`}, {401, ``}, {401, `<html>`}, {403, `{"code":309}`}, {403,
		`{"code":301}`}} {
		fetchtest.NewWorldOnAzurite(t)
		var calls atomic.Int32
		server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			rw.WriteHeader(answer.status)
			fmt.Fprint(rw, answer.body)
		}))
		t.Cleanup(server.Close)
		output, address := startProcess(t, server.URL,
			"FETCH_FROM="+time.Now().UTC().AddDate(0, 0, -5).Format(time.RFC3339))
		if status := fire(t, address); status != http.StatusOK {
			t.Errorf("%d %s: the host hears %d", answer.status, answer.body, status)
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d %s: %d requests", answer.status, answer.body, n)
		}
		for _, want := range []string{`"level":"ERROR"`, `"event":"fetch.credentialsRefused"`} {
			awaitLine(t, output, want)
		}
	}
}
