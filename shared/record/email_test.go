package record

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEmails(t *testing.T) {
	const bob, jane = "bob@contoso.example", "jane@contoso.example"
	for property, want := range map[string][]string{
		"":                              nil,
		" ; ,":                          nil,
		bob:                             {bob},
		bob + ";" + jane:                {bob, jane},
		bob + ", " + jane:               {bob, jane},
		bob + " " + jane:                {bob, jane},
		bob + "\r\n" + jane:             {bob, jane},
		bob + "；" + jane:                {bob, jane},
		"Bob Baker <" + bob + ">":       {bob},
		"<" + bob + ">":                 {bob},
		"<<" + bob + ">>":               {bob},
		"<" + bob:                       {bob},
		bob + ">":                       {bob},
		"mailto:" + bob:                 {bob},
		"MAILTO:" + bob + "?subject=x":  {bob},
		"mailto:bob%40contoso.example":  {bob},
		"<mailto:" + bob + ">":          {bob},
		"Bob <mailto:" + bob + ">":      {bob},
		"SMTP:" + bob:                   {bob},
		"smtp:" + bob + ";SMTP:" + jane: {bob, jane},
		bob + ".":                       {bob},
		bob + ". " + jane + ".":         {bob, jane},
		"ｂｏｂ＠ｃｏｎｔｏｓｏ．ｅｘａｍｐｌｅ":                        {bob},
		"bob\u200b@contoso.example\ufeff":            {bob},
		"\u2068" + bob + "\u2069":                    {bob},
		"bob@contoso.example\u00a0" + jane:           {bob, jane},
		"'" + bob + "'":                              {bob},
		`"` + bob + `"`:                              {bob},
		`"Baker, Bob" <` + bob + ">; " + jane:        {bob, jane},
		`"Baker; Bob" <` + bob + ">, <" + jane + ">": {bob, jane},
		"Baker, Bob <" + bob + ">":                   {bob},
		`"` + jane + `" <` + bob + ">":               {bob}, // a display name is no address
		`"` + jane + `, x" <` + bob + ">":            {bob},
		jane + " <" + bob + ">":                      {jane, bob}, // a name that is not quoted can't hold an @
		"Bob <" + bob + "> Jane <" + jane + ">":      {bob, jane},
		"<" + bob + "><" + jane + ">":                {bob, jane},
		`"` + bob + "; " + jane:                      {bob, jane}, // a stray quotation mark hides nothing
		`"` + bob + "; " + jane + `"`:                {bob, jane},
		`x" ` + bob + `; "Jane" <` + jane + ">":      {bob, jane},
		"Bob <" + bob + ", " + jane + ">":            {bob, jane},
		bob + " (Bob Baker)":                         {bob},
		"Bob Baker":                                  nil,
		"bob@" + "@contoso.example":                  nil,
		// another address, and no valid one
		"jane@\u212aontoso.example":              {"jane@\u212aontoso.example"},
		strings.Repeat("a", 2000) + "@b.example": nil,
	} {
		var got []string
		for _, entry := range SplitEmails(property) {
			if address := EmailAddress(entry); address != "" {
				got = append(got, address)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", property, diff)
		}
	}
}

func TestEntriesStayAsGiven(t *testing.T) {
	want := []string{`"Baker, Bob" <bob@contoso.example>`, "mailto:jane@contoso.example", "x"}
	got := SplitEmails(strings.Join(want, " ; "))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// FuzzEmails holds that splitting loses no address that stands alone, and that an address found is found again.
func FuzzEmails(f *testing.F) {
	for _, s := range []string{`"Baker, Bob" <bob@contoso.example>; x`, `<a@b.c`, `" ' < > , ;`,
		"mailto:%253Ca%2540b.c", "＜a＠b．c＞"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, property string) {
		total := 0
		found := false
		for _, entry := range SplitEmails(property + ";jane@contoso.example") {
			total += len(entry)
			if entry == "" {
				t.Errorf("%q has an empty entry", property)
			}
			found = found || EmailAddress(entry) == "jane@contoso.example"
			if address := EmailAddress(entry); address != "" && strings.Count(address, "@") != 1 {
				t.Errorf("%q holds %q", entry, address)
			}
		}
		if total > len(property)+len(";jane@contoso.example") {
			t.Errorf("%q: more than was given", property)
		}
		if !found {
			t.Errorf("%q hides the address behind it", property)
		}
	})
}
