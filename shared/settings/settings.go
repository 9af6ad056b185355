// Package settings defines all settings in one table, and reads them. The form, default and limits of each setting
// are in the table only; the reader uses them, and tests compare docs/settings.md and local.settings.sample.json with
// them.
package settings

import (
	"fmt"
	"net/url"
	"strings"
)

// The function apps, as named in Setting.Apps.
const (
	Fetch  = "fetch"
	Import = "import"
	Portal = "portal"
)

// The sources of items, as named in Setting.Source.
const (
	Telemessage = "telemessage" // the site, by requests
	Deliveries  = "delivery"    // ZIPs that the vendor pushes
)

// Setting is one setting: a row of the table.
type Setting struct {
	Name     string
	Default  string   // in the setting's own form; "" if there is none
	Form     string   // what a value looks like, in words; it ends the error for an invalid value
	Example  string   // a valid value; for a secret a harmless one
	Meaning  string   // what it does
	Secret   bool     // the value is never printed
	Required bool     // an app that reads it does not work without it
	Apps     []string // the function apps that read it
	Source   string   // the value of SOURCE with which it is read; "": with each

	// Changeable reports whether settings/connector.json may hold it: see Overlay. Neither the address of a service nor
	// a secret may be changeable.
	Changeable bool

	kind    kind
	derived string // description of a default that Default cannot express
	min     int64  // lowest number, bytes or nanoseconds
	max     int64
	check   func(string) (string, error) // returns the text normalized, or an error that does not contain it

	checkURL func(*url.URL) error // the check of an address, after those that all addresses have
}

// kind is the type of a setting's value. Reader has one method for each.
type kind int

const (
	text kind = iota
	secret
	number
	boolean
	size
	duration
	timestamp
	list
	address
)

// Table returns all settings, in the order of the documentation. The caller may modify the result.
func Table() []Setting {
	all := allSettings()
	for i := range all {
		all[i].Secret = all[i].kind == secret
	}
	return all
}

// lookUp returns a setting. A name that is not in the table is a programming error, and so is reading a setting as
// another type: the first test that runs the line finds both.
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

// Markdown returns the table of docs/settings.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString("| Setting | App | Default | Form | Example | Meaning |\n|---|---|---|---|---|---|\n")
	for _, s := range Table() {
		name := codeSpan(s.Name)
		if s.Required {
			name += " (required)"
		}
		apps := strings.Join(s.Apps, ", ")
		if s.Source != "" {
			apps += ", with `" + source + "=" + s.Source + "`"
		}
		if s.Secret {
			name += " (secret)"
		}
		if s.Changeable {
			name += " (changeable)"
		}
		standard := codeSpan(s.Default)
		if s.derived != "" {
			standard = s.derived
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, apps, standard,
			tableCell(s.Form), codeSpan(s.Example), tableCell(s.Meaning))
	}
	return b.String()
}

// codeSpan returns s as code in Markdown, "" if s is empty.
func codeSpan(s string) string {
	if s == "" {
		return ""
	}
	return "`" + tableCell(s) + "`"
}

// tableCell escapes bars, which would end the cell of a Markdown table.
func tableCell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
