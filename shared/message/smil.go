package message

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"o2archiver/shared/record"
)

// Limits for a presentation. Those of phones have a few hundred bytes, a few slides and a depth of 5.
const (
	maxSMIL      = 64 << 10 // bytes
	maxSMILDepth = 32
	maxSMILRefs  = 1000
)

// findSMIL returns the index of the attachment that describes how an MMS presents the others (SMIL, as in OMA's MMS
// Encapsulation), -1 if there is none.
func findSMIL(r *record.Record) int {
	if isCall(r) {
		return -1
	}
	return slices.IndexFunc(r.Attachments, isPresentation)
}

// isPresentation reports whether an attachment is a SMIL, by its content type or extension.
func isPresentation(a record.Attachment) bool {
	media, ext := mediaType(a.Type), strings.ToLower(path.Ext(a.Name))
	return media == "application/smil" || media == "application/smil+xml" || ext == ".smil" || ext == ".smi"
}

// arrangeBySMIL returns the attachments in the order in which the MMS presents them: those that the SMIL names, in
// its order, then the others as given. If the SMIL is too large, cannot be read or is suspicious, the given order is
// kept.
func arrangeBySMIL(r *record.Record, o Options) ([]record.Attachment, error) {
	i := findSMIL(r)
	if i < 0 || o.Peek == nil || r.Attachments[i].Gone != "" || r.Attachments[i].Size > maxSMIL ||
		len(r.Attachments) < 3 {
		return r.Attachments, nil
	}
	data, err := o.Peek(r.Attachments[i], maxSMIL)
	if err != nil {
		return nil, err
	}
	refs := smilNames(data)
	if len(refs) == 0 {
		return r.Attachments, nil
	}
	// The first attachment with a name; for a stem, -1 if several have it.
	byName := make(map[string]int, 2*len(r.Attachments))
	for n, a := range r.Attachments {
		name := refName(a.Name)
		if _, taken := byName[name]; !taken {
			byName[name] = n
		}
		stem := "stem|" + strings.TrimSuffix(name, path.Ext(name))
		if _, taken := byName[stem]; taken {
			byName[stem] = -1
		} else {
			byName[stem] = n
		}
	}
	order := make([]record.Attachment, 0, len(r.Attachments))
	used := make([]bool, len(r.Attachments))
	put := func(n int) {
		if !used[n] {
			used[n] = true
			order = append(order, r.Attachments[n])
		}
	}
	for _, ref := range refs {
		n, ok := byName[ref]
		if !ok {
			// A Content-ID is mostly the file's name without its extension.
			n, ok = byName["stem|"+strings.TrimSuffix(ref, path.Ext(ref))]
		}
		if ok && n >= 0 && n != i {
			put(n)
		}
	}
	for n := range r.Attachments {
		put(n)
	}
	return order, nil
}

// smilNames returns the names that a SMIL refers to, in its order, or nil if anything is wrong with it. encoding/xml
// resolves no entities that a document defines and opens nothing, so only size, depth and number of references need a
// limit.
func smilNames(data []byte) []string {
	d := xml.NewDecoder(bytes.NewReader(data))
	// QUIRK: phones declare us-ascii or iso-8859-1, but the names are ASCII. The decoder reports any other bytes.
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var refs []string
	for depth := 0; ; {
		token, err := d.Token()
		if err == io.EOF {
			return refs
		}
		if err != nil {
			return nil
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > maxSMILDepth {
				return nil
			}
			switch strings.ToLower(t.Name.Local) {
			case "img", "audio", "video", "text", "ref", "textstream", "animation":
			default:
				continue
			}
			for _, a := range t.Attr {
				if a.Name.Local == "src" && a.Value != "" {
					if len(refs) == maxSMILRefs {
						return nil
					}
					refs = append(refs, refName(a.Value))
				}
			}
		case xml.EndElement:
			depth--
		}
	}
}

// refName returns a file name in the form in which names are compared, from a reference such as cid:<photo%201.jpg>
// or from an attachment's name.
func refName(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 4 && strings.EqualFold(s[:4], "cid:") {
		s = s[4:]
	}
	if plain, err := url.PathUnescape(s); err == nil {
		s = plain
	}
	s = strings.TrimSuffix(strings.TrimPrefix(s, "<"), ">")
	return strings.ToLower(s[strings.LastIndexAny(s, `/\`)+1:])
}
