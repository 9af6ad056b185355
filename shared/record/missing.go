package record

import "strings"

// Expected returns the names of the members that an item of this kind is expected to have.
func Expected(kind Kind) []string {
	names := []string{"messageId", "messageType", "archivedTime", "msisdn", "direction", "from", "to"}
	switch kind {
	case System:
		return nil
	case SMS:
		return append(names, "textContent")
	case MMS:
		return append(names, "attachment")
	case CallLog:
		return append(names, "callInfo")
	case CallAudio:
		return append(names, "attachment", "callInfo")
	}
	return names
}

// Missing returns the expected members that the item lacks or has empty. In one item that is normal: a number may be
// withheld, a text empty. But a member that is missing in all items of a day has another name at the source. A member
// that was left out because of its type is not missing.
func (r *Record) Missing() (names []string) {
	given := map[string]bool{
		"messageId": !r.Derived, "messageType": r.Kind != "", "archivedTime": r.ArchivedText != "",
		"msisdn": r.Owner != "", "direction": r.Direction != "", "from": r.From.given(), "to": len(r.To) > 0,
		"textContent": r.Text != "",
		"attachment":  len(r.Attachments) > 0, "callInfo": r.Call != nil,
	}
	for _, name := range Expected(r.Kind) {
		if !given[name] && !r.leftOut(name) && !(r.Mail && absentInMail(name)) {
			names = append(names, name)
		}
	}
	return names
}

// absentInMail reports whether no item that comes as an e-mail message has the member.
func absentInMail(name string) bool {
	return name == "archivedTime" || name == "msisdn" || name == "direction" || name == "callInfo"
}

// leftOut reports whether the member, or a part of it, had the wrong type.
func (r *Record) leftOut(name string) bool {
	for _, left := range r.LeftOut {
		if left == name || strings.HasPrefix(left, name+".") || strings.HasPrefix(left, name+"[") {
			return true
		}
	}
	return false
}

// given reports whether the source has any information about the participant.
func (p Participant) given() bool { return p.Value != "" || p.Name() != "" || len(p.Emails) > 0 }
