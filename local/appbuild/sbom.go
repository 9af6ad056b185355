package appbuild

import (
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sums is the file with the checksums of what is deployed, in the format of sha256sum.
const sums = "SHA256SUMS"

// bom is a bill of materials, CycloneDX 1.5. It has neither a timestamp nor a serial number, so the same sources result
// in the same bytes.
type bom struct {
	Format      string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Hashes     []digest   `json:"hashes,omitempty"`
	Licenses   []license  `json:"licenses,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

// license is a licence by its SPDX id.
type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type digest struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"` // hex
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// listMaterials returns the bill of materials of a handler, from what the linker wrote into it rather than from go.mod.
// s is the stamp of the sources in root.
func listMaterials(ctx context.Context, root, app string, s stamp, binary string) ([]byte, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read what is linked into the handler: %w", err)
	}
	b := bom{Format: "CycloneDX", SpecVersion: "1.5", Version: 1}
	raw, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	b.Metadata.Component = component{Type: "application", Ref: app, Name: app, Version: s.version,
		Hashes:     []digest{{Algorithm: "SHA-256", Content: fmt.Sprintf("%x", sha256.Sum256(raw))}},
		Licenses:   licenseList(ownLicence),
		Properties: []property{{Name: "commit", Value: s.commit}}}
	for _, s := range info.Settings {
		if s.Key == "GOOS" || s.Key == "GOARCH" {
			b.Metadata.Component.Properties = append(b.Metadata.Component.Properties,
				property{Name: s.Key, Value: s.Value})
		}
	}
	b.Components = append(b.Components,
		libraryComponent("std", strings.TrimPrefix(info.GoVersion, "go"), "", goLicence))
	licences, err := moduleLicences(ctx, root, info.Deps)
	if err != nil {
		return nil, err
	}
	for _, m := range info.Deps {
		ids := licences[m.Path]
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, libraryComponent(m.Path, m.Version, m.Sum, ids...))
	}
	slices.SortFunc(b.Components, func(x, y component) int { return cmp.Compare(x.PURL, y.PURL) })
	raw, err = json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(raw, '\n'), nil
}

// licenseList returns licences by their SPDX ids.
func licenseList(ids ...string) (all []license) {
	for _, id := range ids {
		var l license
		l.License.ID = id
		all = append(all, l)
	}
	return all
}

// libraryComponent returns the component of a Go module; sum is its hash as in go.sum.
func libraryComponent(path, version, sum string, licences ...string) component {
	// https://github.com/package-url/purl-spec: each part of the name is escaped, the slashes between them are not; a
	// name of type golang is in lower case.
	purl := "pkg:golang/" + (&url.URL{Path: strings.ToLower(path)}).EscapedPath() + "@" + url.QueryEscape(version)
	c := component{Type: "library", Ref: purl, Name: path, Version: version, PURL: purl,
		Licenses: licenseList(licences...)}
	if sum != "" {
		c.Properties = []property{{Name: "go.sum", Value: sum}}
	}
	return c
}

// writeSums writes the checksums of all zips and bills of materials in the folder.
func writeSums(out string) error {
	var names []string
	for _, pattern := range []string{"*.zip", "*.cdx.json"} {
		found, err := filepath.Glob(filepath.Join(out, pattern))
		if err != nil {
			return err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	var list strings.Builder
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(raw), filepath.Base(name))
	}
	return writeFile(filepath.Join(out, sums), []byte(list.String()), modeFile)
}
