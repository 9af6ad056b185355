package sample

import (
	"regexp"
	"strings"
	"testing"
)

func TestWordList(t *testing.T) {
	list := newWordList("# a comment\n\nbad\nworse*\n*worst*\nvery bad thing\n18+\n")
	for text, want := range map[string]bool{
		"BAD!": true, "so bad.": true, "badge": false, "notbad": false,
		"worsening": true, "oworse": false, "thatworstthing": true,
		"a very, bad  thing": true, "very bud thing": false, "(18+only": false, "over 18+": true, "": false,
		"comment": false,
	} {
		if got := list.in(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

// TestCollectionIsFit: the texts that are used hold no HTML entity and none of the words that are not wanted in a
// first run. The second list is not the one that texts are chosen by, so that a hole in that one is found.
func TestCollectionIsFit(t *testing.T) {
	all := texts()
	if len(all) < 4800 || len(all) > 5400 {
		t.Errorf("%d texts are used", len(all))
	}
	entity := regexp.MustCompile(`&(#\d+|[a-zA-Z]+);`)
	unfit := regexp.MustCompile(
		`(?i)fuck|shit|\bsex|porn|cunt|bitch|\bnigg|horny|xxx|\bdick|\bcock|pussy|wank|slut|whore|naked|\bgays?\b|` +
			`molest|rape\b|\bass\b|\btits?\b`)
	spam := 0
	for _, text := range all {
		if text.spam {
			spam++
		}
		if found := entity.FindString(text.body); found != "" {
			t.Errorf("a text holds %s", found)
		}
		if found := unfit.FindString(strings.ReplaceAll(text.body, "XXXXXX", "")); found != "" {
			t.Errorf("a text holds %q", found)
		}
	}
	if spam < 500 {
		t.Errorf("only %d texts are advertising", spam)
	}
}
