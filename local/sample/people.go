package sample

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// The domains of the sample. RFC 2606 reserves .example for examples.
const (
	company = "contoso.example"
	partner = "fabrikam.example" // not a domain of the tenant
)

// person is a sender or recipient.
type person struct {
	first, last string
	number      string   // digits with the country code; for a sender without a number, what the phone shows
	email       string   // the property User's Email address, as the source sends it
	boxes       []string // IDs of the users to whose mailboxes the person's messages belong
}

// roster is the tenant with its mapping file, and everyone who sends or receives.
type roster struct {
	users []User
	rows  []string // of the mapping file, without its header

	staff   []*person // people with an ordinary mailbox
	odd     []*person // company phones that reach a mailbox in an unusual way
	nobody  []*person // company phones that reach no mailbox
	outside []*person // people outside the company
	senders []*person // senders without a number: short codes and names

	csvOnly, pager, desk, alias, upnOnly, csvWins, shared, leaver *person
	before, after                                                 *person // successive holders of one number

	next int // the last three digits of the next company phone
}

func newRoster(end time.Time) *roster {
	r := &roster{}
	for _, name := range strings.Split(staffNames, ", ") {
		first, last, _ := strings.Cut(name, " ")
		u := r.hire(first, last, nil)
		r.staff = append(r.staff, r.phone(first, last, u.Mail, u.ID))
	}
	r.hire("Finance", "Office", nil) // a user without a phone
	r.oddities()
	r.withoutMailbox()
	r.handedOn(end)
	r.strangers()
	// Map the same mailbox as the property: a mapping file that lists everyone is valid, in any format of numbers.
	for i, p := range r.staff[10:17] {
		n := p.number
		local := n[2:]
		gap := local[:4] + " " + local[4:]
		number := []string{n, "+" + n, "0" + gap, local, "+44 " + gap, `"` + n + `"`, "44-" + gap}[i]
		r.row(number, strings.ToUpper(p.email[:1])+p.email[1:], "", "")
	}
	return r
}

const staffNames = "Amelia Hart, Benedict Okafor, Charlotte Pryce, Dominic Vance, Eleanor Whitcombe, Farid Rahmani, " +
	"Georgia Lindqvist, Hamish Kerr, Imogen Bassett, Jasper Thorne, Keira Donnelly, Lachlan Muir, Miriam Feldman, " +
	"Nathaniel Crewe, Orla Brannigan, Patrick Sewell, Quentin Ashby, Rosalind Tait, Samir Chaudhry, Tabitha Fenn, " +
	"Ulrich Baumann, Verity Langton, Wilfred Oakes, Ximena Duarte, Yusuf Demir, Zara Hussain, Alastair Pym, " +
	"Beatrix Nolan, Callum Strachan, Delphine Moreau, Edmund Fairley, Freya Solberg, Gareth Prosser, Harriet Blackwood"

// hire adds a user with a mailbox, which edit may change.
func (r *roster) hire(first, last string, edit func(*User)) User {
	mail := strings.ToLower(first + "." + last + "@" + company)
	u := User{UPN: mail, Mail: mail, DisplayName: first + " " + last}
	if edit != nil {
		edit(&u)
	}
	u.ID = userID(u.UPN)
	r.users = append(r.users, u)
	return u
}

// phone returns a person with a new company phone.
func (r *roster) phone(first, last, email string, boxes ...string) *person {
	r.next++
	return &person{first, last, fmt.Sprintf("447700900%03d", r.next), email, boxes}
}

// row adds a line to the mapping file; the dates may be empty.
func (r *roster) row(number, mailbox, from, to string) {
	r.rows = append(r.rows, strings.Join([]string{number, mailbox, from, to}, ","))
}

// oddities adds phones that reach a mailbox, each in a different way.
func (r *roster) oddities() {
	alias := r.hire("Isolde", "Penrose",
		func(u *User) { u.Proxy = []string{"i.penrose@" + company, "isolde@" + company} })
	r.alias = r.phone("Isolde", "Penrose", "i.penrose@"+company, alias.ID)

	// A user principal name is not an address, but the filter also searches for it.
	byUPN := r.hire("Rhiannon", "Maddox", func(u *User) { u.UPN = "rmaddox7@" + company })
	r.upnOnly = r.phone("Rhiannon", "Maddox", byUPN.UPN, byUPN.ID)

	// The quote must be doubled in an OData filter.
	quote := r.hire("Sinead", "O'Brien", nil)
	obrien := r.phone("Sinead", "O'Brien", quote.Mail, quote.ID)

	csv := r.hire("Tobias", "Wren", nil)
	r.csvOnly = r.phone("Tobias", "Wren", "", csv.ID)
	r.pager = r.phone("Tobias", "Wren", "", csv.ID) // a second phone of the same user
	r.row(r.csvOnly.number, csv.Mail, "", "")
	r.row(r.pager.number, " "+strings.ToUpper(csv.Mail)+" ", "", "")

	shared := r.hire("Dispatch", "Desk", func(u *User) { u.Disabled = true })
	r.shared = r.phone("Dispatch", "Desk", shared.Mail, shared.ID)

	// The mapping file takes precedence, even if the property names an existing mailbox.
	wins := r.hire("Leonora", "Carver", nil)
	r.csvWins = r.phone("Leonora", "Carver", wins.Mail, shared.ID)
	r.row(r.csvWins.number, shared.Mail, "", "")

	leaver := r.hire("Marcus", "Ingleby", func(u *User) { u.Disabled = true })
	r.leaver = r.phone("Marcus", "Ingleby", leaver.Mail, leaver.ID)

	// One phone, several holders.
	a, b := r.staff[0], r.staff[1]
	r.desk = r.phone("Duty", "Phone", a.email+"; "+b.email+", nobody.here@"+company, a.boxes[0], b.boxes[0])

	r.odd = []*person{r.alias, r.upnOnly, obrien, r.csvOnly, r.pager, r.shared, r.csvWins, r.leaver, r.desk}
}

// withoutMailbox adds users into whose mailboxes nothing can be imported, and phones without a known holder. If the
// mapping file names such a user, the property decides.
func (r *roster) withoutMailbox() {
	code := func(c string) func(*User) { return func(u *User) { u.MailboxCode = c } }
	guest := r.hire("Matthias", "Keller", func(u *User) {
		u.Mail = "m.keller@" + partner
		u.UPN = "m.keller_" + partner + "#EXT#@" + company
		u.MailboxCode = "ErrorInvalidUser"
	})
	unlicensed := r.hire("Priya", "Nambiar", code("AuthenticationError"))
	onPremises := r.hire("Ronald", "Eastgate", code("MailboxNotEnabledForRESTAPI"))
	noMailbox := r.hire("Stella", "Marchbanks", code("ResourceNotFound"))
	for _, u := range []User{guest, unlicensed, onPremises, noMailbox} {
		first, last, _ := strings.Cut(u.DisplayName, " ")
		r.nobody = append(r.nobody, r.phone(first, last, u.Mail))
	}
	both := r.phone("Theodora", "Quill", "theodora.quill@"+company) // neither address exists
	r.row(both.number, "t.quill@"+company, "", "")
	r.nobody = append(r.nobody, both,
		r.phone("Vincent", "Harrow", ""),
		r.phone("Winifred", "Stubbs", "winifred stubbs at contoso"),
		r.phone("Xavier", "Lomond", "x.lomond@"+partner),
		// Escapes from a filter that is concatenated without quoting.
		r.phone("Yvette", "Marlow", "y.marlow@"+company+"' or mail ne 'x"))

	for i, bad := range []string{guest.Mail, noMailbox.Mail, "not.anybody@" + company} {
		r.row(r.staff[20+i].number, bad, "", "") // the property leads to the mailbox after all
	}
}

// handedOn adds a number that changed its holder a week ago. The property is empty, so only the dates of the mapping
// file decide to whom a message belongs.
func (r *roster) handedOn(end time.Time) {
	old := r.hire("Bertram", "Holloway", func(u *User) { u.Disabled = true })
	heir := r.hire("Nadia", "Castellane", nil)
	r.before = r.phone("Bertram", "Holloway", "", old.ID)
	r.after = &person{"Nadia", "Castellane", r.before.number, "", []string{heir.ID}}
	last := end.AddDate(0, 0, -7)
	r.row(r.before.number, old.Mail, "", last.Format(time.DateOnly))
	r.row(r.after.number, heir.Mail, last.AddDate(0, 0, 1).Format(time.DateOnly), "")
	r.odd = append(r.odd, r.after)
}

// strangers adds people outside the company: some are in a contact list with their names, a few with an address.
func (r *roster) strangers() {
	firsts := strings.Fields(
		"Mum Dad Gran Alex Priya Tom Chloe Sanjay Kirsty Mo Lucy Dean Fatima Owen Jo Bethan Raj Niamh Carl Ines " +
			"Jude Megan Pavel Anya")
	lasts := strings.Fields(
		"Plumber Garage Dentist Archer Bell Cole Dyer Eaves Frost Gill Hobbs Irwin Joyce Kemp Lacey " +
			"Moss Nash Orme Pike")
	for i := range 700 {
		p := &person{number: fmt.Sprintf("447700900%03d", 200+i)}
		if i >= 400 {
			p.number = fmt.Sprintf("441632960%03d", i-400)
		}
		if i%3 > 0 {
			p.first, p.last = firsts[i%len(firsts)], lasts[i*7%len(lasts)]
		}
		if i%29 == 1 {
			p.email = fmt.Sprintf("%s.%s%d@%s", strings.ToLower(p.first), strings.ToLower(p.last), i, partner)
		}
		r.outside = append(r.outside, p)
	}
	for _, s := range []string{"65000", "87121", "83355", "62468", "O2", "HMRC", "NatWest", "Royal Mail", "DPD-UK"} {
		r.senders = append(r.senders, &person{number: s})
	}
}

// mapping returns the mapping file as a spreadsheet writes it: with a byte order mark and CR LF.
func (r *roster) mapping() []byte {
	head := "\ufeffExternal User ID,Microsoft 365 User Mailbox,Valid From,Valid To"
	return []byte(strings.Join(append([]string{head}, r.rows...), "\r\n") + "\r\n")
}

// userID returns a directory object ID, the same for the same user on every day.
func userID(upn string) string {
	d := sha256.Sum256([]byte("user|" + upn))
	d[6], d[8] = d[6]&0x0f|0x40, d[8]&0x3f|0x80 // RFC 9562 section 5.4: version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[:4], d[4:6], d[6:8], d[8:10], d[10:16])
}
