package archivetest_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
)

// send makes one request with a token, or without authorization if token is empty.
func send(t *testing.T, way http.RoundTripper, method, address, token, body string, headers ...string) (status int,
	code string, header http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("x-ms-version", "2023-11-03")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]}
	}
	resp, err := way.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("x-ms-error-code"), resp.Header
}

func TestAuthorization(t *testing.T) {
	at := time.Date(2026, 11, 28, 5, 30, 0, 0, time.FixedZone("", 3600))
	s := archivetest.ForTest(t, func() time.Time { return at })
	address := s.BlobURL().String() + "/batches?restype=container"
	for _, tt := range []struct {
		address, token, want string
	}{
		{address, "", "401 NoAuthenticationInformation"},
		{address, " ", "400 InvalidAuthenticationInfo"},
		{strings.Replace(address, "https", "http", 1), "token", "400 AccountRequiresHttps"},
		{address, "token", "201"},
		{address, "token", "409 ContainerAlreadyExists"},
	} {
		status, code, header := send(t, s, http.MethodPut, tt.address, tt.token, "")
		if got := strings.TrimSpace(fmt.Sprint(status, " ", code)); got != tt.want {
			t.Errorf("%s with %q: %s, want %s", tt.address, tt.token, got, tt.want)
		}
		if header.Get("Date") != "Sat, 28 Nov 2026 04:30:00 GMT" || header.Get("x-ms-version") != "2023-11-03" {
			t.Errorf("headers %v", header)
		}
	}
	_, err := s.RoundTrip(&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "https",
		Host: "other.blob.core.windows.net"}})
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("another account: %v", err)
	}
}

// What is not implemented is a 501, and named, whatever else would be wrong with it.
func TestUnimplemented(t *testing.T) {
	s := archivetest.New(nil)
	blobs, tables := s.BlobURL().String(), s.TableURL().String()
	put := func(headers ...string) []string { return append([]string{"x-ms-blob-type", "BlockBlob"}, headers...) }
	for _, tt := range []struct {
		method, address string
		headers         []string
		want            string
	}{
		{"GET", blobs + "/?comp=list", nil,
			"an operation of the account, or of a container of the service's own of GET comp=list"},
		{"DELETE", blobs + "/batches?restype=container", nil,
			"the operation on a container of DELETE restype=container"},
		{"PUT", blobs + "/batches/x?comp=snapshot", nil, "the operation on a blob of PUT comp=snapshot"},
		{"PUT", blobs + "/batches/x", put("x-ms-tags", "a=b"), "the header X-Ms-Tags of PUT"},
		{"PUT", blobs + "/batches/x", put("If-Modified-Since", "Sat, 28 Nov 2026 04:30:00 GMT"),
			"the header If-Modified-Since of PUT"},
		{"PUT", blobs + "/batches/x?timeout=3", put(), "the parameter timeout of PUT"},
		{"PUT", blobs + "/batches/x", []string{"x-ms-blob-type", "PageBlob"}, `blobs of the type "PageBlob" of PUT`},
		{"PUT", blobs + "/batches/x.", put(), "a name with an empty segment, or with one that ends with a dot of PUT"},
		{"GET", blobs + "/batches?restype=container&comp=list&include=snapshots", nil,
			"a listing that includes snapshots of GET restype=container comp=list"},
		{"GET", tables + "/ledger()", []string{"Accept", "application/json"}, "the filter of a query of Table GET"},
		{"PATCH", tables + "/ledger(PartitionKey='p',RowKey='r')", []string{"Accept", "application/json"},
			"the operation on an entity of Table PATCH"},
		{"PUT", tables + "/ledger(PartitionKey='p',RowKey='r')", []string{"Accept", "application/json",
			"Content-Type", "application/json"},
			"insert or replace of Table PUT"},
	} {
		send(t, s, http.MethodPut, blobs+"/batches?restype=container", "token", "")
		before := len(s.Unimplemented())
		status, _, _ := send(t, s, tt.method, tt.address, "token", "", tt.headers...)
		if got := s.Unimplemented()[before:]; status != http.StatusNotImplemented || !slices.Equal(got,
			[]string{tt.want}) {
			t.Errorf("%s %s: %d, %q; want %q", tt.method, tt.address, status, got, tt.want)
		}
	}
}

// An append blob takes 50,000 blocks, and none more.
func TestBlocksOfALog(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	log := s.BlobURL().String() + "/journal/log"
	send(t, s, http.MethodPut, s.BlobURL().String()+"/journal?restype=container", "token", "")
	send(t, s, http.MethodPut, log, "token", "", "x-ms-blob-type", "AppendBlob")
	for i := range 50_000 {
		if status, code, _ := send(t, s, http.MethodPut, log+"?comp=appendblock", "token", "x"); status != 201 {
			t.Fatalf("block %d: %d %s", i+1, status, code)
		}
	}
	if status, code, _ := send(t, s, http.MethodPut, log+"?comp=appendblock", "token", "x"); status != 409 ||
		code != "BlockCountExceedsLimit" {
		t.Errorf("one more: %d %s", status, code)
	}
}

// A reader keeps what it has begun to read, whatever is written meanwhile.
func TestReadWhileItIsWritten(t *testing.T) {
	s := archivetest.ForTest(t, nil)
	address := s.BlobURL().String() + "/batches/x"
	send(t, s, http.MethodPut, s.BlobURL().String()+"/batches?restype=container", "token", "")
	send(t, s, http.MethodPut, address, "token", "before", "x-ms-blob-type", "BlockBlob")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("x-ms-version", "2023-11-03")
	resp, err := s.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	send(t, s, http.MethodPut, address, "token", "after", "x-ms-blob-type", "BlockBlob")
	if got, err := io.ReadAll(resp.Body); string(got) != "before" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
