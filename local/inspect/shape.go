package inspect

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// maxShape is the length of a shape; what follows is cut.
const maxShape = 80

// shapeOf returns the form of a text without its content: a run of letters is a, a run of digits is 9, and a run of
// anything else outside of ASCII's punctuation is ?.
func shapeOf(text string) string {
	var b strings.Builder
	last := rune(0)
	for _, c := range text {
		switch {
		case unicode.IsLetter(c) || unicode.IsMark(c):
			c = 'a'
		case unicode.IsDigit(c):
			c = '9'
		case c == '\t':
			c = ' '
		case c > '~' || c < ' ':
			c = '?'
		}
		if c == last && (c == 'a' || c == '9' || c == '?' || c == ' ') {
			continue
		}
		if b.Len() >= maxShape {
			b.WriteString("…")
			break
		}
		b.WriteRune(c)
		last = c
	}
	return b.String()
}

// tally counts texts of one kind.
type tally map[string]int

// maxTally is how many different texts a tally holds. What exceeds them is counted together.
const maxTally = 1_000

func (t tally) add(text string) {
	if _, known := t[text]; !known && len(t) >= maxTally {
		text = "(others)"
	}
	t[text]++
}

// most returns up to n texts, the most frequent first.
func (t tally) most(n int) []string {
	all := slices.SortedFunc(maps.Keys(t), func(a, b string) int { return cmp.Or(t[b]-t[a], strings.Compare(a, b)) })
	return all[:min(n, len(all))]
}
