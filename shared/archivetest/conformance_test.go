package archivetest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"o2archiver/local/azurite"
	"o2archiver/shared/archivetest"
)

// The conformance tests run one list of calls against the stand-in and against real Azurite. A call has one line that
// says what Azure Storage answers, which is what the stand-in has to answer; where Azurite is known to differ, the line
// has its answer too.

// target is one storage account that the calls are made to, through the SDKs.
type target struct {
	name       string
	connection string
	http       *http.Client // nil: the SDKs' own
	blobs      *service.Client
	tables     *aztables.ServiceClient
	wait       func(time.Duration) // lets the service's clock go on
}

// eachTarget runs a test against both.
func eachTarget(t *testing.T, run func(t *testing.T, to *target)) {
	t.Run("archivetest", func(t *testing.T) {
		t.Parallel()
		c := archivetest.NewClock(time.Date(2026, 11, 28, 5, 30, 0, 123456789, time.UTC))
		s := archivetest.New(c.Now)
		run(t, newTarget(t, "archivetest", s.ConnectionString(), s.Client(), c.Add))
		if missing := s.Unimplemented(); len(missing) > 0 {
			t.Errorf("not implemented: %s", strings.Join(missing, "; "))
		}
	})
	t.Run("azurite", func(t *testing.T) {
		t.Parallel()
		run(t, newTarget(t, "azurite", azurite.ForTest(t).ConnectionString(), nil, time.Sleep))
	})
}

func newTarget(t *testing.T, name, connection string, client *http.Client, wait func(time.Duration)) *target {
	t.Helper()
	options := policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1},
		PerCallPolicies: []policy.Policy{editing{}}}
	if client != nil {
		options.Transport = client
	}
	to := &target{name: name, connection: connection, http: client, wait: wait}
	var err error
	if to.blobs, err = service.NewClientFromConnectionString(connection,
		&service.ClientOptions{ClientOptions: options}); err != nil {
		t.Fatal(err)
	}
	tables := &aztables.ClientOptions{ClientOptions: options}
	if to.tables, err = aztables.NewServiceClientFromConnectionString(connection, tables); err != nil {
		t.Fatal(err)
	}
	return to
}

// newContainer creates a container that no other test has.
func (to *target) newContainer(t *testing.T) *container.Client {
	t.Helper()
	c := to.blobs.NewContainerClient("c" + strings.ToLower(rand.Text()))
	if _, err := c.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// newTable creates a table that no other test has.
func (to *target) newTable(t *testing.T) *aztables.Client {
	t.Helper()
	c := to.tables.NewClient("t" + strings.ToLower(rand.Text()))
	if _, err := c.CreateTable(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return c
}

// editKey is the key of a context's edit.
type editKey struct{}

// editing changes a request before it is signed, so that a client can be made to send what it never would.
type editing struct{}

func (editing) Do(r *policy.Request) (*http.Response, error) {
	if edit, ok := r.Raw().Context().Value(editKey{}).(func(*http.Request)); ok {
		edit(r.Raw())
	}
	return r.Next()
}

// edited returns a context for one call, whose request edit changes.
func edited(ctx context.Context, edit func(*http.Request)) context.Context {
	return context.WithValue(ctx, editKey{}, edit)
}

// withHeader returns a context for one call, whose request has the header, or not if the value is empty.
func withHeader(ctx context.Context, name, value string) context.Context {
	return edited(ctx, func(r *http.Request) {
		delete(r.Header, name) // as the SDK writes it
		if r.Header.Del(name); value != "" {
			r.Header[name] = []string{value}
		}
	})
}

// call is one line of a list.
type call struct {
	name    string
	do      func(ctx context.Context) error
	want    string // status and code, e.g. "409 BlobAlreadyExists"; of a success the status alone
	azurite string // "": the same; else what the emulator answers in its place
	has     string // headers that the answer must have, separated by spaces
}

// run makes the calls, in order, and compares the answers.
func (to *target) run(t *testing.T, calls []call) {
	t.Helper()
	for _, c := range calls {
		var answer *http.Response
		err := c.do(policy.WithCaptureResponse(t.Context(), &answer))
		got := outcome(answer, err)
		want := c.want
		if to.name == "azurite" && c.azurite != "" {
			want = c.azurite
		}
		if got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
		if answer == nil {
			continue
		}
		has := append(strings.Fields(c.has), "Date", "X-Ms-Request-Id", "X-Ms-Version")
		// its refusals lack the version, those of its parser the request's id, too
		if to.name == "azurite" && answer.StatusCode >= http.StatusMultipleChoices {
			has = has[:len(has)-2]
		}
		for _, name := range has {
			if answer.Header.Get(name) == "" {
				t.Errorf("%s: the answer has no %s", c.name, name)
			}
		}
	}
}

// outcome is what a call ended in.
func outcome(answer *http.Response, err error) string {
	var refused *azcore.ResponseError
	switch {
	case errors.As(err, &refused):
		return strings.TrimSpace(fmt.Sprintf("%d %s", refused.StatusCode, refused.ErrorCode))
	case err != nil:
		return "no answer: " + err.Error()
	case answer == nil:
		return "no answer"
	}
	return fmt.Sprint(answer.StatusCode)
}

func content(text string) io.ReadSeekCloser {
	return streaming.NopCloser(bytes.NewReader([]byte(text)))
}
