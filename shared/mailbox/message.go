package mailbox

import (
	"encoding/base64"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// Message is what Import writes. Its texts must be valid UTF-8 without characters that the mailbox
// doesn't take, and its addresses syntactically valid.
type Message struct {
	Key       string // the copy's key: 64 hex digits
	MessageID string // with its angle brackets
	Subject   string
	Text      string // plain text; if it is too long for one request, its beginning is the body and Whole the attachment message.txt
	Whole     string // the text as it is, of which Text has the beginning at least, in a form that a body can have
	HTML      string // the same as HTML, for those that FitsBody; then it is the body. "": Text is
	From      Address
	To        []Address // at most 500 are used
	Sent      time.Time
	Received  time.Time
	Headers   []Header // names begin with X-; at most 5 are used

	InReplyTo, References string // as in RFC 5322 section 3.6.4; may be empty

	// Topic and Index are PidTagConversationTopic and PidTagConversationIndex (in base64); "" leaves them to the mailbox.
	Topic, Index string

	// Next gives the attachments one by one and then io.EOF; nil: there are none. A Body is read
	// before Next is called again.
	Next func() (*Attachment, error)
}

// Address is a name and an SMTP address.
type Address struct{ Name, Address string }

// Header is one header field; Value is at most 995 characters long.
type Header struct{ Name, Value string }

// Attachment is one file. Body must give exactly Size bytes.
type Attachment struct {
	Name, Type string
	Size       int64
	Inline     bool   // a picture in the HTML body; not for one so large that it needs an upload session
	ContentID  string // what the HTML calls it, without angle brackets
	Body       io.Reader
}

// MaxBody is how much of a text or of HTML a body takes, in bytes of JSON; what is left of a request is for 500 recipients and
// small attachments.
const MaxBody = 2_000_000

// Microsoft Graph: a request is at most 4 MB, a message has at most 500 recipients and 5 headers
// of up to 995 characters.
const (
	maxInline     = 3_500_000 // bytes of JSON of a create with everything in it
	maxText       = MaxBody
	maxRecipients = 500
	maxHeaders    = 5
	maxHeader     = 995
	propertyBytes = 200 // of JSON around a value: more than any object's names and braces take
)

const goesOn = "\r\n\r\n[The text is too long to be shown here. The whole of it is in the attachment message.txt.]"

// shortenValue is the part of text for the body, and whether something is left out.
func shortenValue(text string) (body string, cut bool) {
	if len(text) < maxText/6 || jsonLen(text) <= maxText {
		return text, false
	}
	size := 0
	for i, r := range text {
		if size += runeLen(r); size > maxText-len(goesOn)-16 {
			return text[:i] + goesOn, true
		}
	}
	return text, false
}

// FitsBody says whether an HTML text goes into a request. It can't be cut off as plain text can.
func FitsBody(html string) bool { return len(html) < maxText/6 || jsonLen(html) <= maxText }

// model is the message as Graph takes it, without attachments. body is Text or its beginning.
func (m *Message) model(class, body string) *models.Message {
	out := models.NewMessage()
	out.SetSubject(&m.Subject)
	content, kind, read := models.NewItemBody(), models.TEXT_BODYTYPE, true
	if m.HTML != "" {
		body, kind = m.HTML, models.HTML_BODYTYPE
	}
	content.SetContent(&body)
	content.SetContentType(&kind)
	out.SetBody(content)
	out.SetIsRead(&read)
	if m.MessageID != "" {
		out.SetInternetMessageId(&m.MessageID)
	}
	if m.From.Address != "" {
		out.SetFrom(recipientOf(m.From))
		out.SetSender(recipientOf(m.From))
	}
	to := m.To[:min(len(m.To), maxRecipients)]
	recipients := make([]models.Recipientable, len(to))
	for i, address := range to {
		recipients[i] = recipientOf(address)
	}
	out.SetToRecipients(recipients)
	if headers := m.headers(); len(headers) > 0 { // an empty collection is refused
		out.SetInternetMessageHeaders(headers)
	}
	properties := []models.SingleValueLegacyExtendedPropertyable{
		stringProperty("Integer 0x0E07", "1"),                                      // PidTagMessageFlags: read, and not a draft (MS-OXCMSG 2.2.1.6: only at the first save)
		stringProperty("SystemTime 0x0039", m.Sent.UTC().Format(time.RFC3339)),     // PidTagClientSubmitTime
		stringProperty("SystemTime 0x0E06", m.Received.UTC().Format(time.RFC3339)), // PidTagMessageDeliveryTime
		stringProperty("String 0x001A", class),                                     // PidTagMessageClass
		stringProperty(archiveKey, m.Key),
	}
	if m.InReplyTo != "" {
		properties = append(properties, stringProperty("String 0x1042", m.InReplyTo)) // PidTagInReplyToId
	}
	if m.References != "" {
		properties = append(properties, stringProperty("String 0x1039", m.References)) // PidTagInternetReferences
	}
	if m.Topic != "" && m.Index != "" {
		properties = append(properties,
			stringProperty("String 0x0070", m.Topic), // PidTagConversationTopic (MS-OXOMSG 2.2.1.5)
			stringProperty("Binary 0x0071", m.Index), // PidTagConversationIndex (2.2.1.3)
			stringProperty("Boolean 0x3016", "true")) // PidTagConversationIndexTracking (2.2.1.4): the GUID in the index tells conversations apart
	}
	out.SetSingleValueExtendedProperties(properties)
	return out
}

func (m *Message) headers() []models.InternetMessageHeaderable {
	var out []models.InternetMessageHeaderable
	for _, header := range m.Headers {
		if len(out) == maxHeaders {
			break
		}
		if header.Value == "" || len(header.Name) < 3 || !strings.EqualFold(header.Name[:2], "x-") || utf8.RuneCountInString(header.Value) > maxHeader {
			continue // one that is refused would have the whole message refused
		}
		one := models.NewInternetMessageHeader()
		one.SetName(&header.Name)
		one.SetValue(&header.Value)
		out = append(out, one)
	}
	return out
}

func recipientOf(a Address) models.Recipientable {
	address := models.NewEmailAddress()
	address.SetAddress(&a.Address)
	if a.Name != "" {
		address.SetName(&a.Name)
	}
	out := models.NewRecipient()
	out.SetEmailAddress(address)
	return out
}

func stringProperty(id, value string) models.SingleValueLegacyExtendedPropertyable {
	out := models.NewSingleValueLegacyExtendedProperty()
	out.SetId(&id)
	out.SetValue(&value)
	return out
}

// fileAttachment is the attachment with its bytes.
func fileAttachment(a *Attachment, content []byte) models.Attachmentable {
	out := models.NewFileAttachment()
	out.SetName(&a.Name)
	if a.Type != "" {
		out.SetContentType(&a.Type)
	}
	out.SetIsInline(&a.Inline)
	if a.ContentID != "" {
		out.SetContentId(&a.ContentID)
	}
	out.SetContentBytes(content)
	return out
}

// jsonSize is at least as much as the model without attachments takes in JSON.
func (m *Message) jsonSize(body string) int64 {
	size := max(jsonLen(body), jsonLen(m.HTML)) + jsonLen(m.Topic) + jsonLen(m.Index) + jsonLen(m.Subject) + jsonLen(m.MessageID) + jsonLen(m.InReplyTo) + jsonLen(m.References)
	size += 16*propertyBytes + len(archiveKey) + jsonLen(m.Key)
	size += 2 * (jsonLen(m.From.Name) + jsonLen(m.From.Address) + propertyBytes)
	for _, a := range m.To[:min(len(m.To), maxRecipients)] {
		size += jsonLen(a.Name) + jsonLen(a.Address) + propertyBytes
	}
	for _, h := range m.Headers {
		size += jsonLen(h.Name) + jsonLen(h.Value) + propertyBytes
	}
	return int64(size)
}

// jsonSize is at least as much as the attachment with its bytes takes in JSON.
func (a *Attachment) jsonSize() int64 {
	return int64(base64.StdEncoding.EncodedLen(int(a.Size)) + jsonLen(a.Name) + jsonLen(a.Type) + jsonLen(a.ContentID) + 2*propertyBytes)
}

// jsonLen is how many bytes encoding/json makes of s.
func jsonLen(s string) int {
	n := 0
	for _, r := range s {
		n += runeLen(r)
	}
	return n
}

func runeLen(r rune) int {
	switch {
	case r == '"', r == '\\', r == '\n', r == '\r', r == '\t', r == '\b', r == '\f':
		return 2
	case r < ' ', r == '\u2028', r == '\u2029', r == utf8.RuneError:
		return 6
	}
	return utf8.RuneLen(r)
}

// Cost is what the import of a message costs, if all goes well: of the one with that many bytes of text, and with attachments of
// these sizes. Nothing breaks if it is more or less in the end.
func (c *Client) Cost(text int, attachments []int64) Cost {
	const envelope = 16 << 10 // headers, recipients, and what Import's own estimate is too high
	cost := Cost{Requests: 1, Bytes: envelope + int64(text)}
	for i, size := range attachments {
		file := (&Attachment{Size: size}).jsonSize() + propertyBytes
		if cost.Bytes+file > maxInline {
			return c.afterwards(cost, attachments[i:])
		}
		cost.Bytes += file
	}
	return cost
}

// afterwards adds the attachments that come after the create, and the mark that they are all there.
func (c *Client) afterwards(cost Cost, attachments []int64) Cost {
	add := func(requests, bytes int64) { cost = Cost{cost.Requests + requests, cost.Bytes + bytes} }
	for _, size := range attachments {
		if size > maxEasyPost && c.uploadSessions {
			add(smallRequest.Requests, smallRequest.Bytes)
			add((size+uploadPart-1)/uploadPart, size)
		} else {
			add(1, (&Attachment{Size: size}).jsonSize()+propertyBytes)
		}
	}
	add(smallRequest.Requests, smallRequest.Bytes)
	return cost
}
