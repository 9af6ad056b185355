package main

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"o2archiver/local/appbuild"
	"o2archiver/local/azurite"
	"o2archiver/local/cloud"
	"o2archiver/local/host"
	"o2archiver/shared/archivetest"
)

// What `make package` makes is unpacked, modes and all, and started in the real host from nothing but its content.
func TestZipsRunInTheRealHost(t *testing.T) {
	host.NeedFunc(t)
	if testing.Short() || runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("LEFT OUT: the zips hold programs for linux/amd64, and building them takes minutes")
	}
	root, err := cloud.Root()
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	// In a process of its own, because the race detector makes compression take many times as long.
	build := exec.CommandContext(t.Context(), "go", "run", "-trimpath", "./local/appbuild/cmd", "-out", out)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the zips: %v\n%s", err, said)
	}
	store := azurite.ForTest(t)
	if _, err := cloud.Prepare(t.Context(), store.ConnectionString()); err != nil {
		t.Fatal(err)
	}
	for _, app := range appbuild.Apps() {
		checkSum(t, out, app.Name+".zip")
		checkMaterials(t, root, app.Name, filepath.Join(out, app.Name+".cdx.json"))
		var log archivetest.Lines
		h, err := host.StartFunc(t.Context(),
			host.Options{App: unpack(t, filepath.Join(out, app.Name+".zip")), Log: &log, Env: []string{
				"AzureWebJobsStorage=" + store.ConnectionString(), "ARCHIVE_STORAGE=" + store.ConnectionString(),
				"FETCH_SCHEDULE=0 30 5 * * *", "TELEMESSAGE_URL=", "TELEMESSAGE_USERNAME=", "TELEMESSAGE_PASSWORD=",
			}})
		if err != nil {
			t.Fatalf("%s.zip: %v\n%s", app.Name, err, lastLines(log.String()))
		}
		// The host knows the functions. Does it run the handler? import sweeps an empty archive; fetch has no site to
		// ask, and the portal none that it is set up for: their first line is waited for.
		if app.Name == "import" {
			if _, err := h.Run(t.Context(), "sweep", ""); err != nil {
				t.Errorf("sweep: %v\n%s", err, lastLines(log.String()))
			}
		} else {
			started := app.Name + ".started"
			for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), started); {
				time.Sleep(100 * time.Millisecond)
				if time.Now().After(end) {
					t.Fatalf("the handler of %s.zip does not run:\n%s", app.Name, lastLines(log.String()))
				}
			}
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// unpack does what a deployment does: names and modes are the zip's, and nothing else is there.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	to := t.TempDir()
	for _, f := range z.File {
		name := filepath.Join(to, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		from, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, raw, f.Mode()); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func checkSum(t *testing.T, out, name string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(out, name))
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(raw), name); !strings.Contains(string(list), line) {
		t.Errorf("SHA256SUMS lacks %s", line)
	}
}

// checkMaterials looks for modules that the app's handler is linked with, in the versions of go.mod, and for those that
// it must not have.
func checkMaterials(t *testing.T, root, app, name string) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Components []struct{ Name, Version, PURL string }
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const (
		tables = "github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
		graph  = "github.com/microsoftgraph/msgraph-sdk-go"
		vaults = "github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	)
	linked := map[string]bool{
		"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob": true,
		"github.com/Azure/azure-sdk-for-go/sdk/azidentity":     true,
		tables: app == "import", graph: app == "import", vaults: app == "fetch",
	}
	for path, want := range linked {
		_, rest, ok := strings.Cut(string(mod), path+" ")
		version, _, _ := strings.Cut(rest, "\n")
		version, _, _ = strings.Cut(version, " ")
		if !ok {
			t.Errorf("go.mod lacks %s", path)
		}
		got := false
		for _, c := range list.Components {
			if c.Name == path {
				got = true
				if purl := "pkg:golang/" + strings.ToLower(path) + "@" + version; c.Version != version ||
					c.PURL != purl {
					t.Errorf("%s has %s %s, want %s", filepath.Base(name), c.Version, c.PURL, purl)
				}
			}
		}
		if got != want {
			t.Errorf("%s names %s: %t, want %t", filepath.Base(name), path, got, want)
		}
	}
}
