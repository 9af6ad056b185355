// Package settings has the one table of all settings, and reads them. Each setting's form, default
// and limits are in the table only; the reader, docs/settings.md and
// local.settings.sample.json are held to it.
package settings

import (
	"fmt"
	"strings"
)

// The function apps, as Setting.Apps names them.
const (
	Fetch  = "fetch"
	Import = "import"
)

// Setting is one line of the table.
type Setting struct {
	Name     string
	Default  string   // in the setting's own form; "" means none
	Form     string   // what a value looks like, in words; ends an error of a bad value
	Example  string   // a value that is accepted; of a secret a harmless one
	Meaning  string   // what it does
	Secret   bool     // the value is never printed
	Required bool     // an app that reads it doesn't work without it
	Apps     []string // which function apps read it

	kind    kind
	derived string // how the default comes about, where Default can't say it
	min     int64  // lowest number, bytes or nanoseconds
	max     int64
	check   func(string) (string, error) // normalizes a text, or says what is wrong without its content
}

// kind is the type that a setting's value is read as; each has one method of Reader.
type kind int

const (
	text kind = iota
	secret
	number
	truth
	size
	duration
	moment
	list
	address
)

// Table gives all settings, in the order of the documentation. The caller may change what it gets.
func Table() []Setting {
	all := allSettings()
	for i := range all {
		all[i].Secret = all[i].kind == secret
	}
	return all
}

// lookUp finds a setting. A name that isn't in the table is a programming error, as is reading
// one as another type: both are found by the first test that runs the line.
func lookUp(name string, k kind) Setting {
	for _, s := range allSettings() {
		if s.Name == name {
			if s.kind != k {
				panic("settings: " + name + " is read as the wrong type")
			}
			return s
		}
	}
	panic("settings: " + name + " is not in the table")
}

// Markdown is the table of docs/settings.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Setting | App | Default | Form | Example | Meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range Table() {
		name := codeSpan(s.Name)
		if s.Required {
			name += " (required)"
		}
		if s.Secret {
			name += " (secret)"
		}
		standard := codeSpan(s.Default)
		if s.derived != "" {
			standard = s.derived
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, strings.Join(s.Apps, ", "), standard,
			tableCell(s.Form), codeSpan(s.Example), tableCell(s.Meaning))
	}
	return b.String()
}

func codeSpan(s string) string {
	if s == "" {
		return ""
	}
	return "`" + tableCell(s) + "`"
}

// tableCell keeps a bar from ending the table's cell.
func tableCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
