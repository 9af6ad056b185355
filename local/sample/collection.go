package sample

import (
	_ "embed"
	"strings"
)

// The UCI SMS Spam Collection by Almeida and Gómez Hidalgo, CC BY 4.0: see testdata/README.md.
//
//go:embed testdata/sms-spam-collection.tsv
var collection string

// text is one message of the collection.
type text struct {
	body string
	spam bool
}

// texts is the whole collection in its own order.
func texts() []text {
	lines := strings.Split(strings.TrimSuffix(collection, "\n"), "\n")[1:] // the first line is a header
	all := make([]text, 0, len(lines))
	for _, line := range lines {
		label, body, _ := strings.Cut(line, "\t")
		all = append(all, text{body, label == "spam"})
	}
	return all
}
