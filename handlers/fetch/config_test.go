package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/handlers/fetch/internal/sources"
	"o2archiver/local/azurite"
	"o2archiver/shared/archivetest"
	"o2archiver/shared/funchost"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

const geheim = "d4s-ist-geheim"

func good() map[string]string {
	return map[string]string{
		"TELEMESSAGE_URL": "https://rest.telemessage.example/base", "TELEMESSAGE_USERNAME": fetchtest.Username,
		"TELEMESSAGE_PASSWORD": geheim,
		"ARCHIVE_STORAGE": "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=" +
			base64.StdEncoding.EncodeToString([]byte(geheim)) + ";EndpointSuffix=core.windows.net",
	}
}

func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }
}

func TestSettings(t *testing.T) {
	const (
		identity = "ARCHIVE_STORAGE__blobServiceUri"
		inVault  = "TELEMESSAGE_PASSWORD_SECRET"
	)
	tests := []struct {
		name  string
		edit  func(map[string]string)
		wrong []string // settings that the error names
	}{
		{"good", func(map[string]string) {}, nil},
		{"with an identity", func(env map[string]string) {
			delete(env, "ARCHIVE_STORAGE")
			env[identity] = "https://acme.blob.core.windows.net"
			env["ARCHIVE_STORAGE__tableServiceUri"] = "https://acme.table.core.windows.net"
		}, nil},
		{"nothing", func(env map[string]string) { clear(env) },
			[]string{"TELEMESSAGE_URL", "TELEMESSAGE_USERNAME", inVault, identity}},
		{"no address", func(env map[string]string) { delete(env, "TELEMESSAGE_URL") }, []string{"TELEMESSAGE_URL"}},
		{"no user name", func(env map[string]string) { env["TELEMESSAGE_USERNAME"] = " " },
			[]string{"TELEMESSAGE_USERNAME"}},
		{"no password", func(env map[string]string) { env["TELEMESSAGE_PASSWORD"] = "" },
			[]string{inVault}},
		{"the password in a vault", func(env map[string]string) {
			delete(env, "TELEMESSAGE_PASSWORD")
			env[inVault] = "https://contoso-fetch.vault.azure.net/secrets/" + geheim
		}, nil},
		{"a password twice", func(env map[string]string) {
			env[inVault] = "https://contoso-fetch.vault.azure.net/secrets/" + geheim
		}, []string{"TELEMESSAGE_PASSWORD"}},
		{"a vault of no cloud", func(env map[string]string) {
			delete(env, "TELEMESSAGE_PASSWORD")
			env[inVault] = "https://" + geheim + ".example/secrets/site"
		}, []string{inVault}},
		{"no storage", func(env map[string]string) { delete(env, "ARCHIVE_STORAGE") }, []string{identity}},
		{"not encrypted", func(env map[string]string) { env["TELEMESSAGE_URL"] = "http://" + geheim + ".example" },
			[]string{"TELEMESSAGE_URL"}},
		{"a password in the address",
			func(env map[string]string) {
				env["TELEMESSAGE_URL"] = "https://u:" + geheim + "@x.example"
			}, []string{"TELEMESSAGE_URL"}},
		{"a line break after the password", func(env map[string]string) { env["TELEMESSAGE_PASSWORD"] = geheim + "\n" },
			[]string{"TELEMESSAGE_PASSWORD"}},
		{"a password for a time", func(env map[string]string) { env["FETCH_FROM"] = geheim }, []string{"FETCH_FROM"}},
		{"a schedule of five fields", func(env map[string]string) { env["FETCH_SCHEDULE"] = "30 5 * * *" },
			[]string{"FETCH_SCHEDULE"}},
		{"deliveries", func(env map[string]string) {
			for _, name := range []string{"TELEMESSAGE_URL", "TELEMESSAGE_USERNAME", "TELEMESSAGE_PASSWORD"} {
				delete(env, name)
			}
			env["SOURCE"], env["DELIVERY_LANDING__blobServiceUri"] = "delivery", "https://acme.blob.core.windows.net"
		}, nil},
		{"deliveries without a store", func(env map[string]string) { env["SOURCE"] = "delivery" },
			[]string{"DELIVERY_SFTP_HOST"}},
		{"no source", func(env map[string]string) { env["SOURCE"] = geheim }, []string{"SOURCE"}},
		{"no cloud of ours", func(env map[string]string) { env["AZURE_CLOUD"] = geheim }, []string{"AZURE_CLOUD"}},
	}
	names := []string{"TELEMESSAGE_URL", "TELEMESSAGE_USERNAME", "TELEMESSAGE_PASSWORD", inVault, "FETCH_FROM",
		"FETCH_SCHEDULE", "AZURE_CLOUD", identity, "SOURCE", "DELIVERY_SFTP_HOST"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := good()
			tt.edit(env)
			c, err := readConfig(lookup(env))
			e, err2 := newEngines(lookup(env), http.DefaultTransport, time.Now, slog.New(slog.DiscardHandler))
			if (err2 == nil) != (err == nil) {
				t.Errorf("connect: %v, want %v", err2, err)
			}
			if err == nil { // the settings of the source are read for each run
				services, _, cerr := c.connect(http.DefaultTransport, time.Now, slog.New(slog.DiscardHandler))
				if cerr != nil {
					t.Fatal(cerr)
				}
				_, err = sources.Build(c.source, lookup(env), services)
			}
			// What a setting's own name begins a line with is wrong with it.
			var wrong []string
			for line := range strings.Lines(fmt.Sprint(err)) {
				name, _, _ := strings.Cut(line, " ")
				if slices.Contains(names, name) {
					wrong = append(wrong, name)
				}
			}
			slices.Sort(wrong)
			if want := slices.Sorted(slices.Values(tt.wrong)); !slices.Equal(wrong, want) ||
				(err == nil) != (len(want) == 0) {
				t.Errorf("error %v\nnames %v, want %v", err, wrong, want)
			}
			if all := fmt.Sprintf("%v %+v %#v %+v %v", c, c, c, e, err); strings.Contains(all, geheim) ||
				strings.Contains(all, base64.StdEncoding.EncodeToString([]byte(geheim))) {
				t.Errorf("a secret is printed: %s", all)
			}
		})
	}
}

// handler starts the whole program, as the host does, and gives its address.
func handler(t *testing.T, env map[string]string, log io.Writer) (address string, stop func() error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	env["FUNCTIONS_CUSTOMHANDLER_PORT"] = fmt.Sprint(port)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, lookup(env), log) }()
	address = fmt.Sprintf("http://127.0.0.1:%d/", port)
	for range 500 {
		if res, err := http.Get(address); err == nil {
			res.Body.Close()
			return address, func() error { cancel(); return <-ended }
		}
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond): // as the host polls
		}
	}
	t.Fatal("nobody answers")
	return "", nil
}

// post is an invocation; input is what an administrator sends along.
func post(t *testing.T, address, input string) (status int, result map[string]any) {
	t.Helper()
	metadata := map[string]string{}
	if input != "" {
		inner, _ := json.Marshal(input)
		metadata["timer"] = string(inner)
	}
	body, err := json.Marshal(map[string]any{"Data": map[string]any{"timer": map[string]any{"IsPastDue": false}},
		"Metadata": metadata})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(address+"fetch", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ ReturnValue map[string]any }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, answer.ReturnValue
}

func TestProgram(t *testing.T) {
	w := fetchtest.NewWorldOnAzurite(t)
	site := telemessagetest.New(telemessagetest.Options{Username: fetchtest.Username, Password: geheim})
	server := httptest.NewServer(site)
	defer server.Close()
	site.Add(time.Now().Add(-time.Hour), []byte(`{"messageId":"m","textContent":"confidential"}`))
	w.Secret("confidential", geheim)
	address, stop := handler(t, map[string]string{
		"TELEMESSAGE_URL": server.URL, "TELEMESSAGE_USERNAME": fetchtest.Username, "TELEMESSAGE_PASSWORD": geheim,
		"ARCHIVE_STORAGE": azurite.ForTest(t).ConnectionString(),
	}, w.Log)
	if status, got := post(t, address, ""); status != 200 || got["received"] != 1.0 || got["slices"] != 1.0 {
		t.Errorf("a daily run: status %d, %v", status, got)
	}
	from, to := time.Now().Add(-3*time.Hour), time.Now().Add(-30*time.Minute)
	input := fmt.Sprintf(`{"from":%q,"to":%q}`, from.Format(time.RFC3339), to.Format(time.RFC3339))
	if status, got := post(t, address, input); status != 200 || got["received"] != 1.0 {
		t.Errorf("a backfill: status %d, %v", status, got)
	}
	if status, got := post(t, address, "yesterday"); status != 400 ||
		!strings.Contains(fmt.Sprint(got["error"]), "a backfill is asked for with") {
		t.Errorf("an input that is none: status %d, %v", status, got)
	}
	if err := stop(); !errors.Is(err, funchost.ErrStopped) {
		t.Errorf("ended with %v", err)
	}
}

// Bad settings are told with every invocation: a handler that ends because of them would be given up by the host.
func TestProgramWithBadSettings(t *testing.T) {
	var log archivetest.Lines
	env := good()
	delete(env, "TELEMESSAGE_USERNAME")
	env["FETCH_SCHEDULE"] = geheim
	address, stop := handler(t, maps.Clone(env), &log)
	defer func() { _ = stop() }()
	for range 2 {
		status, got := post(t, address, "")
		text := fmt.Sprint(got["error"])
		if status != 500 || !strings.Contains(text, "TELEMESSAGE_USERNAME is missing") ||
			!strings.Contains(text, "FETCH_SCHEDULE") {
			t.Errorf("status %d, %v", status, got)
		}
		if all := text + log.String(); strings.Contains(all, geheim) {
			t.Errorf("a setting's value is printed: %s", all)
		}
	}
}

func TestProgramWithoutAHost(t *testing.T) {
	if err := run(t.Context(), lookup(good()), io.Discard); err == nil || !strings.Contains(err.Error(), "make run") {
		t.Errorf("error %v, want one that says how to start it", err)
	}
}
