package o2archiver

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// maxTracked is the maximum size of a tracked file in bytes. Each clone of the repository has every version of it.
const maxTracked = 2 << 20

// executables are the first bytes of executables, libraries and object files, by their formats.
var executables = map[string]string{
	"ELF": "\x7fELF", "Mach-O of 32 bits": "\xce\xfa\xed\xfe", "Mach-O of 64 bits": "\xcf\xfa\xed\xfe",
	"Mach-O of several processors, or a Java class": "\xca\xfe\xba\xbe", "WebAssembly": "\x00asm", "ar": "!<arch>\n",
}

// unwanted returns why a file must not be tracked, by its mode in Git, its size and its first bytes; "" if it may be.
func unwanted(mode string, size int64, head []byte) string {
	if size > maxTracked {
		return "it is larger than 2 MiB"
	}
	for format, magic := range executables {
		if bytes.HasPrefix(head, []byte(magic)) {
			return "it is a binary: " + format
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("MZ")) && bytes.IndexByte(head, 0) >= 0: // a text may begin with these letters
		return "it is a binary: PE"
	case mode == "100755" && !bytes.HasPrefix(head, []byte("#!")):
		return "it is executable, and no script"
	case mode == "160000":
		return "it is another repository"
	}
	return ""
}

// What is tracked is source and small data: nothing that was built, and nothing that a clone takes long to fetch.
func TestTrackedFilesAreSmallAndNotBuilt(t *testing.T) {
	for _, test := range []struct {
		mode string
		size int64
		head string
		want bool
	}{
		{"100755", 10, "#!/bin/sh\n", false}, {"100755", 10, "#include", true}, {"100644", 10, "package main", false},
		{"100644", maxTracked, "", false}, {"100644", maxTracked + 1, "", true}, {"100644", 10, "\x7fELF\x02", true},
		{"100644", 10, "MZ\x90\x00", true}, {"100644", 10, "MZ is no binary", false}, {"160000", 0, "", true},
	} {
		if got := unwanted(test.mode, test.size, []byte(test.head)); (got != "") != test.want {
			t.Errorf("%s, %d bytes, %q: %q", test.mode, test.size, test.head, got)
		}
	}
	out, err := exec.Command("git", "ls-files", "--stage", "-z").Output()
	if err != nil {
		t.Skip("this is no checkout of Git, so no file is tracked")
	}
	seen := 0
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		facts, name, _ := strings.Cut(entry, "\t")
		mode, _, _ := strings.Cut(facts, " ")
		size, head, err := beginning(name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was removed, which is not staged yet
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		}
		seen++
		if why := unwanted(mode, size, head); why != "" {
			t.Errorf("%s must not be tracked: %s", name, why)
		}
	}
	if seen < 1000 {
		t.Errorf("only %d tracked files were found: the test looks in the wrong place", seen)
	}
}

// beginning returns the size of a file and its first bytes; none of a folder.
func beginning(name string) (size int64, head []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return 0, nil, err
	}
	head = make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return info.Size(), head[:n], err
}
