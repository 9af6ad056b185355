package record

// GenericEML is the name of e-mail messages (EML) of any other archive or vendor as a source. Their identity is their
// Message-ID, or their hash. As with TeleMessage, the name MUST NOT change.
const GenericEML = "generic-eml"

// Mail describes an item that the source sends as an e-mail message (EML). The message itself is in the media
// container, as Entry.RawBlob and Entry.RawHash, and its parts are there as Entry.Media, in the order of Parts. All
// else that a record is made of is in the Mail, so that a record can be made again from a batch without reading the
// message.
type Mail struct {
	// Header has all fields of the message's header, in their order and unfolded. A line that is no field has no name.
	// Bytes that are not UTF-8 are marks, as in every text of a record.
	Header []HeaderField `json:"header"`
	// Wrapper is the header of the journal report in which the message came; empty without one. Of reports in each
	// other it has the headers of all, the outermost first.
	Wrapper  []HeaderField `json:"wrapper,omitempty"`
	Text     string        `json:"text,omitempty"`
	TextType string        `json:"textType,omitempty"` // content type of Text, as given
	Parts    []MailPart    `json:"parts,omitempty"`
	LeftOut  []string      `json:"leftOut,omitempty"` // as in Record
	// Domains are the organization's e-mail domains, as they were set when an item of the vendor was read: no other
	// address is in Participant.Emails. Empty: they were not known, and every address is. They stand here because the
	// setting may be changed, and a line must always become the same record.
	Domains []string `json:"domains,omitempty"`
	// These are the settings of the import that a message of another archive came with. Kind and Network hold whatever
	// the message states. NumberField is the name of the header field that has the number of the archived phone.
	Kind        Kind   `json:"kind,omitempty"`
	Network     string `json:"network,omitempty"`
	NumberField string `json:"numberField,omitempty"`
}

// HeaderField is the name and the value of a field of a header.
type HeaderField [2]string

// MailPart describes a part of a Mail other than its text. Its bytes, decoded, are Entry.Media's.
type MailPart struct {
	Name string `json:"name,omitempty"` // of the file, as given
	Type string `json:"type,omitempty"` // content type, with a charset if it has one
}
