package appbuild

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestMaterials(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	built := stamp{version: "1.2.0", commit: "0123456789abcdef0123456789abcdef01234567"}
	raw, err := listMaterials(t.Context(), "../..", "fetch", built, self)
	if err != nil {
		t.Fatal(err)
	}
	var b bom
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.SpecVersion != "1.5" || b.Metadata.Component.Name != "fetch" {
		t.Errorf("head: %s", raw)
	}
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	root := component{Type: "application", Ref: "fetch", Name: "fetch", Version: "1.2.0",
		Properties: append([]property{{"commit", built.commit}}, b.Metadata.Component.Properties[1:]...),
		Licenses:   licenseList("MIT"),
		Hashes:     []digest{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(binary))}}}
	if diff := cmp.Diff(root, b.Metadata.Component); diff != "" {
		t.Errorf("the app itself, -want +got:\n%s", diff)
	}
	std := func(c component) bool {
		return c.Name == "std" && c.Version == strings.TrimPrefix(runtime.Version(), "go") && len(c.Licenses) == 1
	}
	if !slices.ContainsFunc(b.Components, std) {
		t.Errorf("the standard library is not among %+v", b.Components)
	}
	if _, err := listMaterials(t.Context(), "../..", "fetch", built, "sbom.go"); err == nil {
		t.Error("a file that is no program has materials")
	}
	// A test binary names no modules; the zips are looked at where they are started.
	got := libraryComponent("github.com/Azure/b/v2", "v2.0.0+incompatible", "h1:x=", "Apache-2.0", "MIT")
	const purl = "pkg:golang/github.com/azure/b/v2@v2.0.0%2Bincompatible"
	want := component{Type: "library", Ref: purl, Name: "github.com/Azure/b/v2", Version: "v2.0.0+incompatible",
		PURL:       purl,
		Licenses:   licenseList("Apache-2.0", "MIT"),
		Properties: []property{{Name: "go.sum", Value: "h1:x="}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a module, -want +got:\n%s", diff)
	}
}

func TestSums(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.zip", "a.zip", "a.cdx.json", "other"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSums(dir); err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, name := range []string{"a.cdx.json", "a.zip", "b.zip"} {
		want += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(name)), name)
	}
	if got := read(t, filepath.Join(dir, sums)); got != want {
		t.Errorf("checksums:\n%swant\n%s", got, want)
	}
}
