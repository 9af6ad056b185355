package sample

import (
	_ "embed"
	"html"
	"strings"
	"sync"
)

// The UCI SMS Spam Collection by Almeida and Gómez Hidalgo, CC BY 4.0: see testdata/README.md.
//
//go:embed testdata/sms-spam-collection.tsv
var collection string

// unfitWords lists what no text of the sample day may contain.
//
//go:embed testdata/unfit.txt
var unfitWords string

// text is one message of the collection.
type text struct {
	body string
	spam bool
}

// texts returns the texts of the collection that are fit to be shown, in its order and without its HTML entities. The
// list is the same for every day, so it is made once.
var texts = sync.OnceValue(func() []text {
	lines := strings.Split(strings.TrimSuffix(collection, "\n"), "\n")[1:] // the first line is a header
	words := newWordList(unfitWords)
	all := make([]text, 0, len(lines))
	for _, line := range lines {
		label, body, _ := strings.Cut(line, "\t")
		if body = html.UnescapeString(body); !words.in(body) {
			all = append(all, text{body, label == "spam"})
		}
	}
	return all
})

// someTexts returns n of the texts, at equal distances, or all if there are not more.
func someTexts(n int) []text {
	all := texts()
	if n >= len(all) {
		return all
	}
	some := make([]text, max(0, n))
	for i := range some {
		some[i] = all[i*len(all)/n]
	}
	return some
}

// wordList is a list of words and phrases, in the form that inWords returns.
type wordList []string

// newWordList parses a list: one word or phrase per line, * for any beginning or ending, # before a comment.
func newWordList(lines string) (list wordList) {
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, open := strings.CutPrefix(line, "*")
		if !open {
			word = " " + word
		}
		if word, open = strings.CutSuffix(word, "*"); !open {
			word += " "
		}
		list = append(list, word)
	}
	return list
}

// in reports whether the text contains one of the words.
func (l wordList) in(text string) bool {
	text = inWords(text)
	for _, word := range l {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// inWords returns the text in lower case with one blank around each word.
func inWords(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '+'
	})
	return " " + strings.Join(words, " ") + " "
}
