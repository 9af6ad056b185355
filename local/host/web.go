package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"o2archiver/local/appbuild"
)

// The limits of the host (Functions host 4.1045: those of Kestrel).
const (
	maxRequestLine   = 8 << 10   // bytes, with its line break; above it: 414
	maxHeaders       = 32 << 10  // bytes of all header lines with their line breaks; above it: 431
	maxRequestBody   = 104857600 // bytes; above it: 500, not 413
	maxAnswerHeaders = 64 << 10  // bytes of the handler's headers; above it: 500

	webStop = 2 * time.Second // for requests in progress when the host stops
)

// web serves the app's function with an HTTP trigger: it hands each request on to the handler as the real host does
// with enableProxyingHttpRequest. What it refuses, and what it changes, was seen with host 4.1045.200.
type web struct {
	function  string
	methods   []string // in upper case; none: every method
	functions map[string]appbuild.Function
	process   *process
	log       *lines
	proxy     *httputil.ReverseProxy
	server    *http.Server
	url       string
}

// newWeb serves the function on a free port of this machine until stop.
func newWeb(f appbuild.Function, all map[string]appbuild.Function, p *process, l *lines, pause time.Duration) (*web,
	error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for HTTP requests: %w", err)
	}
	w := &web{function: f.Name, functions: all, process: p, log: l, url: "http://" + listener.Addr().String()}
	for _, method := range f.Trigger().Methods {
		w.methods = append(w.methods, strings.ToUpper(method))
	}
	w.proxy = &httputil.ReverseProxy{
		Rewrite: w.rewrite, Transport: newRepeater(p.address, l, pause), FlushInterval: -1,
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Set("Server", cmp.Or(resp.Header.Get("Server"), "Kestrel"))
			return nil
		},
		ErrorHandler: func(rw http.ResponseWriter, r *http.Request, err error) {
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
				rw.Header().Set("Connection", "close")
			}
			w.log.say("host: " + r.Method + " " + r.URL.EscapedPath() + " failed: " + err.Error())
			answerEmpty(rw, http.StatusInternalServerError)
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	w.server = &http.Server{
		Handler: w, ErrorLog: w.proxy.ErrorLog, ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes: 8 * maxHeaders, // ServeHTTP applies the host's own limits
	}
	go func() { _ = w.server.Serve(listener) }() // until stop
	go func() {
		<-p.stopped // with the handler's third exit the host ends
		_ = w.stop()
	}()
	return w, nil
}

// stop ends the server, and requests in progress after a while. It may be called twice.
func (w *web) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), webStop)
	defer cancel()
	_ = w.server.Shutdown(ctx)
	return w.server.Close()
}

// ServeHTTP hands a request on to the handler, or answers it as the host does by itself.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Server", "Kestrel")
	// The query is not logged by the host either.
	switch status := w.refusal(r); {
	case status == http.StatusRequestURITooLong || status == http.StatusRequestHeaderFieldsTooLarge ||
		status == http.StatusInternalServerError:
		rw.Header().Set("Connection", "close")
		answerEmpty(rw, status)
	case status != 0:
		answerEmpty(rw, status)
	case isReserved(r.URL.Path):
		w.serveReserved(rw, r)
	case len(w.methods) > 0 && !slices.Contains(w.methods, r.Method) && r.URL.Path == "/":
		_, _ = io.WriteString(rw, "<!DOCTYPE html><title>Your Azure Function App is up and running.</title>")
	case len(w.methods) > 0 && !slices.Contains(w.methods, r.Method):
		answerEmpty(rw, http.StatusNotFound)
	default:
		rw.Header().Del("Server") // the handler's passes
		w.log.say("host: " + r.Method + " " + r.URL.EscapedPath())
		// The handler may answer before the body has arrived.
		_ = http.NewResponseController(rw).EnableFullDuplex()
		r.Body = http.MaxBytesReader(rw, r.Body, maxRequestBody)
		w.proxy.ServeHTTP(rw, r)
	}
}

// refusal returns the status with which the host refuses a request before any function, or 0.
func (w *web) refusal(r *http.Request) int {
	line := len(r.Method) + len(" ") + len(r.RequestURI) + len(" HTTP/1.1\r\n")
	headers := len("Host: \r\n") + len(r.Host) // net/http takes it out of the header
	for name, values := range r.Header {
		for _, value := range values {
			headers += len(name) + len(": \r\n") + len(value)
		}
	}
	switch {
	case line > maxRequestLine:
		return http.StatusRequestURITooLong
	case headers > maxHeaders:
		return http.StatusRequestHeaderFieldsTooLarge
	case r.ContentLength > maxRequestBody:
		return http.StatusInternalServerError
	case strings.HasPrefix(r.URL.EscapedPath(), "//"):
		return http.StatusNotFound
	}
	return 0
}

// isReserved reports whether the host keeps a path for itself, in whatever case it is written. Others below /admin and
// /runtime reach the handler.
func isReserved(path string) bool {
	path = strings.ToLower(path)
	return path == "/admin/host/status" || path == "/admin/functions" || strings.HasPrefix(path, "/admin/functions/") ||
		strings.HasPrefix(path, "/admin/vfs/") || strings.HasPrefix(path, "/runtime/webhooks/")
}

// serveReserved answers what isReserved names, as far as anything here asks for it.
func (w *web) serveReserved(rw http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(r.URL.Path)
	name, below := strings.CutPrefix(path, "/admin/functions/")
	var object any
	switch _, known := w.functions[name]; {
	case path == "/admin/host/status":
		object = map[string]string{"state": "Running", "version": hostVersion}
	case path == "/admin/functions":
		object = []map[string]string{{"name": w.function}}
	case below && known:
		object = map[string]string{"name": name}
	case strings.HasPrefix(path, "/admin/vfs/"):
		answerEmpty(rw, http.StatusForbidden)
		return
	default:
		answerEmpty(rw, http.StatusNotFound)
		return
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(rw).Encode(object) // fails if the client is gone
}

// rewrite makes the handler's request of a client's. The forwarding headers of the client do not pass: ReverseProxy has
// removed them.
func (w *web) rewrite(p *httputil.ProxyRequest) {
	// The address is set with each try, because the handler's port changes when it is started again.
	p.Out.URL = &url.URL{Scheme: "http", RawQuery: p.In.URL.RawQuery}
	p.Out.URL.Path, p.Out.URL.RawPath = handlerPath(p.In.URL)
	id, peer := newGUID(), p.In.RemoteAddr
	if address, _, err := net.SplitHostPort(peer); err == nil {
		peer = address
	}
	for name, value := range map[string]string{
		"X-Forwarded-For": peer, "X-Forwarded-Host": p.In.Host, "X-Forwarded-Proto": "http",
		"X-Azure-Functions-InvocationId": id, "X-Ms-Invocation-Id": id, "X-Azure-Functions-HostVersion": hostVersion,
	} {
		p.Out.Header.Set(name, value)
	}
	if p.Out.Header.Get("Traceparent") == "" {
		p.Out.Header.Set("Traceparent", newTraceparent())
	}
	if _, ok := p.Out.Header["User-Agent"]; !ok {
		p.Out.Header.Set("User-Agent", "") // none is sent
	}
}

// handlerPath returns the path as the handler gets it: without dot segments, decoded and encoded anew. An encoded slash
// is not decoded, but its percent sign is encoded: "%2F" becomes "%252F".
func handlerPath(u *url.URL) (path, raw string) {
	escaped := strings.NewReplacer("%2F", "%252F", "%2f", "%252f").Replace(u.EscapedPath())
	var kept []string
	segments := strings.Split(escaped, "/")[1:]
	for i, segment := range segments {
		decoded, err := url.PathUnescape(segment)
		if err != nil { // net/http has parsed it before
			return u.Path, u.RawPath
		}
		switch last := i == len(segments)-1; {
		case decoded != "." && decoded != "..":
			kept = append(kept, decoded)
			continue
		case decoded == ".." && len(kept) > 0:
			kept = kept[:len(kept)-1]
			fallthrough
		default:
			if last {
				kept = append(kept, "")
			}
		}
	}
	path = "/" + strings.Join(kept, "/")
	var b strings.Builder
	for _, c := range []byte(path) {
		if c < utf8.RuneSelf && (unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c)) ||
			strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return path, b.String()
}

// answerEmpty answers with a status and no body.
func answerEmpty(rw http.ResponseWriter, status int) {
	rw.Header().Set("Server", "Kestrel")
	rw.Header().Set("Content-Length", "0")
	rw.WriteHeader(status)
}
