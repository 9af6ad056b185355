package mailbox

import (
	"encoding/base64"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
)

// Message is what Import writes. Its texts MUST be valid UTF-8 without characters that the mailbox does not accept,
// and its addresses syntactically valid.
type Message struct {
	Key       string // the copy's key: 64 hex digits
	MessageID string // with its angle brackets
	Subject   string

	// Text is the plain text. If it is too long for one request, its beginning becomes the body, and Whole the
	// attachment message.txt.
	Text string

	// Whole is the unabridged text. Text is Whole, or at least its beginning, in a form that a body can have. "": Text
	// is the whole text.
	Whole string

	// HTML is the text as HTML, if it FitsBody. Then it is the body; "": Text is the body.
	HTML string

	From     Address
	To       []Address // at most 500 are used
	Sent     time.Time
	Received time.Time
	Headers  []Header // names begin with X-; at most 5 are used

	// InReplyTo and References are as in RFC 5322 section 3.6.4; they may be empty.
	InReplyTo, References string

	// Topic and Index are PidTagConversationTopic and PidTagConversationIndex (in base64); "" leaves them to the
	// mailbox.
	Topic, Index string

	// Next returns the attachments one by one and then io.EOF; nil: there are none. The Body of an attachment is read
	// before Next is called again.
	Next func() (*Attachment, error)
}

// Address is a display name and an SMTP address.
type Address struct{ Name, Address string }

// Header is one header field. Value is at most 995 characters long.
type Header struct{ Name, Value string }

// Attachment is one file. Body MUST have exactly Size bytes.
type Attachment struct {
	Name, Type string
	Size       int64
	Inline     bool   // a picture in the HTML body; not possible for one that needs an upload session
	ContentID  string // the name of the picture in the HTML, without angle brackets
	Body       io.Reader
}

// MaxBody is the largest text or HTML of a body, in bytes of JSON. The rest of a request is for 500 recipients and
// small attachments.
const MaxBody = 2_000_000

// Microsoft Graph: a request has at most 4 MB, a message at most 500 recipients and 5 headers of up to 995 characters.
const (
	maxInline     = 3_500_000 // bytes of JSON of a create, with its attachments
	maxText       = MaxBody
	maxRecipients = 500
	maxHeaders    = 5
	maxHeader     = 995
	propertyBytes = 200 // bytes of JSON around a value: more than the names and braces of any object
)

const goesOn = "\r\n\r\n[The text is too long to be shown here. The whole of it is in the attachment message.txt.]"

// shortenValue returns the part of text that fits the body, and whether some of it is left out.
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

// FitsBody reports whether an HTML text fits a request. HTML cannot be shortened as plain text can.
func FitsBody(html string) bool { return len(html) < maxText/6 || jsonLen(html) <= maxText }

// model returns the message as Graph's type, without attachments. body is Text or its beginning.
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
		// PidTagMessageFlags: read, and not a draft (MS-OXCMSG 2.2.1.6: only at the first save)
		stringProperty("Integer 0x0E07", "1"),
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
			// PidTagConversationIndexTracking (2.2.1.4): conversations are distinguished by the GUID in the index
			stringProperty("Boolean 0x3016", "true"))
	}
	out.SetSingleValueExtendedProperties(properties)
	return out
}

// headers returns the headers that Graph accepts, at most maxHeaders.
func (m *Message) headers() []models.InternetMessageHeaderable {
	var out []models.InternetMessageHeaderable
	for _, header := range m.Headers {
		if len(out) == maxHeaders {
			break
		}
		if header.Value == "" || len(header.Name) < 3 || !strings.EqualFold(header.Name[:2], "x-") ||
			utf8.RuneCountInString(header.Value) > maxHeader {
			continue // Graph refuses the whole message because of one invalid header
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

// fileAttachment returns the attachment with its bytes as Graph's type.
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

// jsonSize returns an upper bound of the model's JSON without attachments, in bytes.
func (m *Message) jsonSize(body string) int64 {
	size := max(jsonLen(body), jsonLen(m.HTML)) + jsonLen(m.Topic) + jsonLen(m.Index) + jsonLen(m.Subject) +
		jsonLen(m.MessageID) + jsonLen(m.InReplyTo) + jsonLen(m.References)
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

// jsonSize returns an upper bound of the JSON of the attachment with its bytes, in bytes.
func (a *Attachment) jsonSize() int64 {
	return int64(base64.StdEncoding.EncodedLen(int(a.Size)) +
		jsonLen(a.Name) + jsonLen(a.Type) + jsonLen(a.ContentID) + 2*propertyBytes)
}

// jsonLen returns the number of bytes that encoding/json writes for s, without the quotes.
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

// Cost returns the estimated cost of importing a message, without retries. text is the number of bytes of its text,
// attachments the sizes of its attachments. The estimate need not be exact: what is not used is returned to the quota,
// and each request that costs more reserves the difference.
func (c *Client) Cost(text int, attachments []int64) Cost {
	const envelope = 16 << 10 // headers, recipients, and the amount by which Import's upper bound is too high
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

// afterwards adds the cost of the attachments that are added after the create, and of marking the message complete.
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
