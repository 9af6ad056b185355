// Command web is a function app for the tests of both hosts: it tells a client how a request arrived, and ends requests
// in every way that a handler can.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Arrival is a request as it arrived. The process appends it to WEB_LOG, too.
type Arrival struct {
	Method, URI, Host string
	Header            http.Header
	Chunked           bool
	Body              int // bytes that were read
	PID               int
}

func main() {
	goOn := make(chan struct{}, 1)
	var mu sync.Mutex
	note := func(a Arrival) {
		mu.Lock()
		defer mu.Unlock()
		if f, err := os.OpenFile(os.Getenv("WEB_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_ = json.NewEncoder(f).Encode(a)
			_ = f.Close()
		}
	}
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT"), http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			a := Arrival{Method: r.Method, URI: r.RequestURI, Host: r.Host, Header: r.Header,
				Chunked: len(r.TransferEncoding) > 0, PID: os.Getpid()}
			if r.Header.Get("X-Azure-Functions-InvocationId") == "" {
				return // the host asks whether the handler is up
			}
			_, unread := strings.CutPrefix(r.URL.Path, "/unread/")
			if !unread {
				n, _ := io.Copy(io.Discard, r.Body)
				a.Body = int(n)
			}
			note(a)
			switch r.URL.Path {
			case "/abort", "/unread/abort":
				panic(http.ErrAbortHandler)
			case "/exit":
				os.Exit(3)
			case "/half":
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, "half")
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			case "/unread/413":
				w.WriteHeader(http.StatusRequestEntityTooLarge)
			case "/large":
				n, _ := strconv.Atoi(r.URL.Query().Get("header"))
				w.Header().Set("X-Large", strings.Repeat("x", n))
			case "/answer":
				w.Header().Set("Server", "mine")
				w.Header().Set("Content-Security-Policy", "default-src 'none'")
				w.Header().Add("Set-Cookie", "a=1")
				w.Header().Add("Set-Cookie", "b=2")
				w.Header().Set("ETag", `"v1"`)
				w.WriteHeader(http.StatusNotModified)
			case "/away":
				http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
			case "/nothing":
				w.WriteHeader(http.StatusNoContent)
			case "/stream":
				fmt.Fprintln(w, "first")
				_ = http.NewResponseController(w).Flush()
				select {
				case <-goOn:
					fmt.Fprintln(w, "second")
				case <-r.Context().Done():
				}
			case "/go-on":
				goOn <- struct{}{}
			default:
				w.Header().Set("Content-Type", "application/json")
				_ = json.NewEncoder(w).Encode(a)
			}
		}))
	fmt.Fprintln(os.Stderr, "web:", err)
	os.Exit(1)
}
