package usermap

import (
	"slices"
	"strings"
	"unicode"
)

// columns are the indexes of the columns; -1 if the file does not have one.
type columns struct {
	number, mailbox, from, to int
	width                     int // number of columns; cells beyond it MUST be empty
}

// heading is a column with the names that it can have in a header.
type heading struct {
	at    *int
	what  string
	names []string
}

// headings returns the columns with the names that people use for them, in lower case and reduced to letters and
// digits. The vendor's own name comes first, and takes precedence over a synonym in the same header.
func (c *columns) headings() []heading {
	return []heading{
		{&c.number, "the number", []string{"externaluserid", "mobile", "mobilenumber", "mobileno", "mobilephone",
			"mobilephonenumber", "phone", "phonenumber", "phoneno", "telephone", "telephonenumber", "tel", "number",
			"msisdn", "cell", "cellphone", "cellnumber", "cellphonenumber", "externaluser"}},
		{&c.mailbox, "the mailbox", []string{"microsoft365usermailbox", "microsoft365mailbox",
			"microsoft365emailaddress", "office365usermailbox", "m365usermailbox", "o365usermailbox", "usermailbox",
			"mailbox", "email", "emailaddress", "mail", "mailaddress", "upn", "userprincipalname", "useremail",
			"useremailaddress", "usersemailaddress", "smtpaddress", "primarysmtpaddress"}},
		{&c.from, "Valid From", []string{"validfrom", "from", "start", "startdate", "validfromdate", "datefrom",
			"fromdate", "effectivefrom", "validsince"}},
		{&c.to, "Valid To", []string{"validto", "to", "until", "validuntil", "end", "enddate", "validtodate", "dateto",
			"todate", "effectiveto", "effectiveuntil", "validtill"}},
	}
}

// findColumns determines the columns from the first row, which is a header or already has a number and a mailbox.
// header reports which. reason is "" if the row is one of the two.
func findColumns(first []string) (c *columns, header bool, reason string) {
	for i, cell := range first {
		if strings.Contains(cell, "@") {
			c, reason = withoutHeader(first, i)
			return c, false, reason
		}
	}
	c = &columns{width: len(first)}
	for _, column := range c.headings() {
		var many bool
		if *column.at, many = columnOf(first, column.names); many {
			return nil, false, "two columns could be " + column.what + ": take one out, or call it as the template does"
		}
	}
	for i, cell := range first {
		if strings.HasPrefix(headingName(cell), "valid") && i != c.from && i != c.to {
			return nil, false, "a column's name begins with Valid and is not known: call it Valid From or Valid To"
		}
	}
	switch {
	case c.number < 0 && c.mailbox < 0:
		return nil, false, "this is neither a header nor a number with a mailbox; " +
			"the columns are External User ID and Microsoft 365 User Mailbox"
	case c.number < 0:
		return nil, false, "no column is the number: call it External User ID"
	case c.mailbox < 0:
		return nil, false, "no column is the mailbox: call it Microsoft 365 User Mailbox"
	}
	return c, true, ""
}

// withoutHeader returns the columns of a file without a header. mailbox is the column that has an address; the dates
// may follow in the third and fourth column.
func withoutHeader(first []string, mailbox int) (*columns, string) {
	if mailbox > 1 || len(first) < 2 {
		return nil, "without a header the first two columns have to be the number and the mailbox"
	}
	return &columns{number: 1 - mailbox, mailbox: mailbox, from: 2, to: 3, width: 4}, ""
}

// columnOf returns the index of the column with one of the names, -1 if there is none. many means that the column is
// ambiguous: two have such a name, and either neither or both have the vendor's.
func columnOf(header, names []string) (at int, many bool) {
	at = -1
	vendors := false
	for i, cell := range header {
		name := headingName(cell)
		switch {
		case name == names[0]:
			if many = vendors; many {
				return at, true
			}
			at, vendors = i, true
		case !vendors && slices.Contains(names, name):
			many = at >= 0
			at = i
		}
	}
	return at, many
}

// headingName returns a column's name in the form in which names are compared.
func headingName(cell string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, cell)
}

// cellAt returns the row's cell in a column, or "".
func cellAt(cells []string, at int) string {
	if at < 0 || at >= len(cells) {
		return ""
	}
	return cells[at]
}
