package mailboxtest

import (
	"net/http"
	"strings"
	"unicode/utf16"
)

const (
	maxRecipients  = 500 // Microsoft Graph: at most 500 recipients
	maxHeaders     = 5   // Microsoft Graph: at most 5 internetMessageHeaders
	maxHeaderValue = 995 // characters
)

// textValue returns a text property of an object that has been checked, "" if it is null or missing.
func textValue(in map[string]any, name string) string {
	s, _ := in[name].(string)
	return s
}

// headersOf returns the internetMessageHeaders of a message, or the refusal of an invalid one.
func headersOf(in map[string]any) ([]Header, *reply) {
	v, given := in["internetMessageHeaders"]
	if !given {
		return nil, nil
	}
	list, _ := v.([]any)
	if len(list) == 0 {
		return nil, refuseWith(http.StatusBadRequest, "InvalidInternetMessageHeaderCollection",
			"The internet message header collection must not be empty.")
	}
	if len(list) > maxHeaders {
		return nil, refuseWith(http.StatusBadRequest, "InvalidInternetMessageHeaderCollection",
			"Maximum number of headers in one message should be less than or equal to 5.")
	}
	var hs []Header
	for _, e := range list {
		h := Header{textValue(e.(map[string]any), "name"), textValue(e.(map[string]any), "value")}
		switch {
		case len(h.Name) < 3 || !strings.EqualFold(h.Name[:2], "x-"):
			return nil, refuseWith(http.StatusBadRequest, "InvalidInternetMessageHeader",
				"The internet message header name '%s' should start with 'x-' or 'X-'.", h.Name)
		case strings.ContainsFunc(h.Name, func(c rune) bool { return c <= ' ' || c > '~' || c == ':' }):
			// RFC 5322 section 3.6.8
			return nil, refuseWith(http.StatusBadRequest, "InvalidInternetMessageHeader",
				"The internet message header name '%s' is not valid.", h.Name)
		case len(utf16.Encode([]rune(h.Value))) > maxHeaderValue:
			return nil, refuseWith(http.StatusBadRequest, "InvalidInternetMessageHeader",
				"The value of the internet message header '%s' is longer than 995 characters.", h.Name)
		case h.Value == "" || strings.ContainsAny(h.Value, "\r\n"):
			return nil, refuseWith(http.StatusBadRequest, "InvalidInternetMessageHeader",
				"The value of the internet message header '%s' is not valid.", h.Name)
		}
		hs = append(hs, h)
	}
	return hs, nil
}

// recipientsOf stores the sender and the recipients of a message in m.
func recipientsOf(in map[string]any, m *Message) *reply {
	for name, to := range map[string]**Address{"from": &m.From, "sender": &m.Sender} {
		r, _ := in[name].(map[string]any)
		if r == nil {
			continue
		}
		a, rep := recipientOf(r)
		if rep != nil {
			return rep
		}
		*to = &a
	}
	for name, to := range map[string]*[]Address{
		"toRecipients": &m.To, "ccRecipients": &m.Cc, "bccRecipients": &m.Bcc, "replyTo": &m.ReplyTo,
	} {
		list, given := in[name].([]any)
		if given {
			*to = nil
		}
		for _, e := range list {
			a, rep := recipientOf(e.(map[string]any))
			if rep != nil {
				return rep
			}
			*to = append(*to, a)
		}
	}
	if n := len(m.To) + len(m.Cc) + len(m.Bcc); n > maxRecipients {
		return refuseWith(http.StatusBadRequest, "ErrorInvalidRecipients",
			"The message has %d recipients; at most 500 are possible.", n)
	}
	return nil
}

// recipientOf returns one recipient, or the refusal of an invalid address.
func recipientOf(r map[string]any) (Address, *reply) {
	e, _ := r["emailAddress"].(map[string]any)
	a := Address{textValue(e, "name"), textValue(e, "address")}
	if !validAddress(a.Address) {
		return a, refuseWith(http.StatusBadRequest, "ErrorInvalidRecipients",
			"At least one recipient isn't valid., The email address '%s' isn't valid.", a.Address)
	}
	return a, nil
}

// validAddress reports whether s is an address of RFC 5321 section 4.1.2: a dot-atom or a quoted string of at most 64
// characters, @, and a domain name of at most 255.
func validAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s)-at-1 > 255 {
		return false
	}
	return validLocal(s[:at]) && validDomain(s[at+1:])
}

func validLocal(s string) bool {
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return !strings.ContainsFunc(s[1:len(s)-1],
			func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' })
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(c rune) bool {
			return c > '~' || !isAlnum(byte(c)) && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", c)
		}) {
			return false
		}
	}
	return true
}

func validDomain(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isAlnum(label[i]) && label[i] != '-' {
				return false
			}
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}
