package appbuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

// ownLicence is the licence of this repository, goLicence that of Go's standard library, by their SPDX ids.
const (
	ownLicence = "MIT"
	goLicence  = "BSD-3-Clause"
)

// licencePhrases are the licences that are recognized, by SPDX id, each with texts of which all occur in it, in lower
// case and with single blanks. The first that fits counts, so a licence that includes another one's text comes first.
var licencePhrases = []struct {
	id   string
	text []string
}{
	{"Apache-2.0", []string{"apache license", "version 2.0, january 2004"}},
	{"MPL-2.0", []string{"mozilla public license version 2.0"}},
	{"BSD-3-Clause", []string{"redistribution and use in source and binary forms", "neither the name"}},
	{"BSD-2-Clause", []string{"redistribution and use in source and binary forms"}},
	{"MIT", []string{"permission is hereby granted, free of charge, to any person obtaining a copy"}},
	{"ISC", []string{"permission to use, copy, modify, and/or distribute this software for any purpose"}},
}

// recognizeLicence returns the SPDX id of a licence's text, or "" for one that is not among licencePhrases.
func recognizeLicence(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	for _, licence := range licencePhrases {
		lacks := func(phrase string) bool { return !strings.Contains(text, phrase) }
		if !slices.ContainsFunc(licence.text, lacks) {
			return licence.id
		}
	}
	return ""
}

// licencesOf returns the SPDX ids of the licences in a module's folder. A module without one that is recognized is an
// error: what it allows has to be read before it is delivered.
func licencesOf(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if !e.Type().IsRegular() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") &&
			!strings.HasPrefix(name, "COPYING") {
			continue
		}
		raw, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, err
		}
		if id := recognizeLicence(string(raw)); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("no licence that is known in %s: read it, and add it to licencePhrases", folder)
	}
	slices.Sort(ids)
	return ids, nil
}

// moduleLicences returns the licences of modules that are linked into a program, by their paths. Their sources are in
// the module cache, because the program was built from them.
func moduleLicences(ctx context.Context, root string, modules []*debug.Module) (map[string][]string, error) {
	if len(modules) == 0 {
		return nil, nil
	}
	args := []string{"list", "-m", "-f", "{{.Path}}\t{{.Dir}}"}
	for _, m := range modules {
		args = append(args, m.Path)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	licences := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		path, folder, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if licences[path], err = licencesOf(folder); err != nil {
			return nil, fmt.Errorf("module %s: %w", path, err)
		}
	}
	return licences, nil
}
