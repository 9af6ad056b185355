package appbuild

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
)

func TestLicencesAreRecognized(t *testing.T) {
	for id, text := range map[string]string{
		"MIT": read(t, "../../LICENSE"),
		"Apache-2.0": "                  Apache License\n    Version 2.0, January 2004\n" +
			" http://www.apache.org/licenses/",
		"BSD-3-Clause": "Redistribution and use in source and binary\n" +
			"forms, with or without … Neither the name of Google",
		"BSD-2-Clause": "Redistribution and use in source and binary forms, with or without " +
			"modification, are permitted",
		"MPL-2.0": "Mozilla Public License Version 2.0\n====",
		"ISC": "Permission to use, copy, modify, and/or distribute this software for any purpose " +
			"with or without fee",
		"": "All rights reserved.",
	} {
		if got := recognizeLicence(text); got != id {
			t.Errorf("%q is recognized as %q, want %q", text, got, id)
		}
	}
}

func TestLicencesOfAFolder(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("README.md", "apache license version 2.0, january 2004")
	write("LICENSE-other", "All rights reserved.")
	if ids, err := licencesOf(folder); err == nil {
		t.Errorf("a folder without a known licence has %v", ids)
	}
	write("LICENSE.txt", read(t, "../../LICENSE"))
	write("COPYING", "Mozilla Public License Version 2.0")
	if ids, err := licencesOf(folder); err != nil || !slices.Equal(ids, []string{"MIT", "MPL-2.0"}) {
		t.Errorf("licences %v, %v", ids, err)
	}
}

// TestLicencesOfLinkedModules: the folders are those of the module cache.
func TestLicencesOfLinkedModules(t *testing.T) {
	const module = "github.com/google/go-cmp"
	got, err := moduleLicences(t.Context(), "../..", []*debug.Module{{Path: module}})
	if err != nil || !slices.Equal(got[module], []string{"BSD-3-Clause"}) {
		t.Errorf("licences %v, %v", got, err)
	}
	absent := []*debug.Module{{Path: "o2archiver.example/absent"}}
	if _, err := moduleLicences(t.Context(), "../..", absent); err == nil {
		t.Error("a module that is not there has licences")
	}
}
