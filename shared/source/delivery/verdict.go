package delivery

import (
	"fmt"
	"strconv"
)

// File is an entry of a ZIP, as far as the manifest is concerned with it.
type File struct {
	Name     string
	Message  bool // its name is that of an EML
	Manifest bool // its name is that of a manifest
	Empty    bool
	Twice    bool // an earlier entry has the same name
	Folder   bool
}

// Verdict is whether a ZIP is what its manifest states. A ZIP that is incomplete is imported nevertheless, as far as it
// is there.
type Verdict struct {
	// Reasons are empty if the ZIP is complete; otherwise they say in plain words what is wrong. They have counts, and
	// never a name, so that they can be logged.
	Reasons []string

	// The names behind the reasons, for the ZIP's own manifest in the archive. They MUST NOT be logged.
	Missing  []string // listed, and not in the ZIP
	Empty    []string // listed, and empty
	Unlisted []string // in the ZIP, and not listed
}

// Outcome returns complete or incomplete.
func (v Verdict) Outcome() string {
	if len(v.Reasons) == 0 {
		return "complete"
	}
	return "incomplete"
}

// JudgeZIP compares the entries of a ZIP with its manifests. There should be one manifest.
func JudgeZIP(files []File, manifests []*ListManifest) (v Verdict) {
	messages, twice := 0, 0
	for _, f := range files {
		if f.Message {
			messages++
		}
		if f.Twice {
			twice++
		}
	}
	add := func(format string, args ...any) { v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...)) }
	if twice > 0 {
		add("%s the name of an earlier one", countWords(twice, "file has", "files have"))
	}
	if len(manifests) == 0 {
		add("there is no manifest")
		return v
	}
	if len(manifests) > 1 {
		add("there are %d manifests", len(manifests))
	}
	judgeCount(add, manifests, messages)
	listed := map[string]bool{}
	for _, m := range manifests {
		for name := range m.Listed {
			listed[name] = true
		}
		v.Missing = append(v.Missing, m.Missing...)
	}
	others := 0
	for _, f := range files {
		switch {
		case f.Manifest || f.Folder:
		case !listed[f.Name]:
			v.Unlisted = append(v.Unlisted, validText(f.Name))
			if !f.Message {
				others++
			}
		case f.Empty:
			v.Empty = append(v.Empty, validText(f.Name))
		}
	}
	if n := len(v.Missing); n > 0 {
		add("%s listed and not there", countWords(n, "message is", "messages are"))
	}
	if n := len(v.Empty); n > 0 {
		add("%s listed and empty", countWords(n, "file is", "files are"))
	}
	if n := len(v.Unlisted) - others; n > 0 {
		add("%s there and not listed", countWords(n, "message is", "messages are"))
	}
	if others > 0 {
		add("%s there and not listed", countWords(others, "other file is", "other files are"))
	}
	return v
}

// judgeCount compares the number of messages with what the manifests state.
func judgeCount(add func(format string, args ...any), manifests []*ListManifest, messages int) {
	stated, known, several, unclear, cut := 0, true, false, false, false
	for _, m := range manifests {
		stated += max(0, m.Count)
		known = known && m.Count >= 0
		several = several || m.Disagrees
		unclear = unclear || m.Unclear
		cut = cut || m.Cut
	}
	if unclear {
		add("the manifest states a count that is no plain number")
	}
	switch {
	case !known && unclear:
	case !known:
		add("the manifest states no count")
	case stated != messages:
		add("the manifest counts %d messages, and %s there", stated, countWords(messages, "is", "are"))
	}
	if several {
		add("the manifest states several counts")
	}
	if cut {
		add("the manifest, or a line of it, is too large to be read as a whole")
	}
}

// countWords returns a number with the words for one or for many.
func countWords(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
