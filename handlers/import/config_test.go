package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
)

func settingsOf(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

var quiet = slog.New(slog.DiscardHandler)

const someStorage = "DefaultEndpointsProtocol=https;AccountName=contosoarchive;AccountKey=bm90LWEta2V5"

func TestConnectMakesNoRequest(t *testing.T) {
	t.Parallel()
	refuse := roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("no request is expected")
	})
	for name, values := range map[string]map[string]string{
		"connection string": {"ARCHIVE_STORAGE": someStorage},
		"identity": {"ARCHIVE_STORAGE__blobServiceUri": "https://contosoarchive.blob.core.windows.net",
			"ARCHIVE_STORAGE__tableServiceUri": "https://contosoarchive.table.core.windows.net",
			"AZURE_CLOUD":                      "china"},
		"stand-in": {"ARCHIVE_STORAGE": someStorage, "GRAPH_URL": "http://127.0.0.1:1"},
	} {
		if _, err := newEngines(settingsOf(values), refuse, time.Now, quiet); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		values map[string]string
		want   []string
	}{
		"none": {nil, []string{"ARCHIVE_STORAGE__blobServiceUri", "ARCHIVE_STORAGE__tableServiceUri"}},
		"several": {map[string]string{"ARCHIVE_STORAGE": someStorage, "IMPORT_CONCURRENCY": "many",
			"IN_DOUBT_AFTER": "1h"}, []string{"IMPORT_CONCURRENCY", "IN_DOUBT_AFTER"}},
		"half": {map[string]string{"ARCHIVE_STORAGE__blobServiceUri": "https://contosoarchive.blob.core.windows.net"},
			[]string{"ARCHIVE_STORAGE__tableServiceUri is missing"}},
		"http abroad": {map[string]string{"ARCHIVE_STORAGE": someStorage,
			"GRAPH_URL": "http://graph.microsoft.com"}, []string{"GRAPH_URL"}},
		"no such region": {map[string]string{"ARCHIVE_STORAGE": someStorage, "DEFAULT_REGION": "Britain"},
			[]string{"DEFAULT_REGION"}},
		"connection string": {map[string]string{"ARCHIVE_STORAGE": "AccountKey=c2VjcmV0LWtleQ=="},
			[]string{"ARCHIVE_STORAGE"}},
	} {
		im, err := newEngines(settingsOf(test.values), nil, time.Now, quiet)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		_, got := routes(im, err)["sweep"](t.Context(), nil)
		if !errors.Is(got, funchost.ErrSettings) || strings.Contains(got.Error(), "c2VjcmV0LWtleQ") {
			t.Errorf("%s: an invocation says %v", name, got)
		}
		for _, text := range test.want {
			if !strings.Contains(got.Error(), text) {
				t.Errorf("%s: the error does not name %s: %v", name, text, got)
			}
		}
	}
}

func TestRunWithoutHost(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), settingsOf(nil), io.Discard); err == nil ||
		!strings.Contains(err.Error(), "FUNCTIONS_CUSTOMHANDLER_PORT") {
		t.Errorf("run without a port: %v", err)
	}
}

// Settings are judged for each invocation: a handler that dies of them would stop the host.
func TestRunWithBadSettings(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port := free.Addr().String(), strconv.Itoa(free.Addr().(*net.TCPAddr).Port)
	free.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var log archivetest.Lines
	go func() {
		ended <- run(ctx, settingsOf(map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": port,
			"IMPORT_CONCURRENCY": "many"}), &log)
	}()
	var resp *http.Response
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(10 * time.Millisecond) {
		if resp, err = http.Post("http://"+host+"/sweep", "application/json",
			strings.NewReader(`{"Data":{},"Metadata":{}}`)); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusInternalServerError ||
		!strings.Contains(string(body), "IMPORT_CONCURRENCY") {
		t.Errorf("status %d, %s, %v", resp.StatusCode, body, err)
	}
	stop()
	if err := <-ended; !errors.Is(err, funchost.ErrStopped) {
		t.Errorf("run ended with %v", err)
	}
	if !strings.Contains(log.String(), "IMPORT_CONCURRENCY") {
		t.Errorf("the log does not name the setting: %s", log.String())
	}
}
