package record

import "strings"

// separators removes the characters that stand between the words of a keyword.
var separators = strings.NewReplacer("-", "", "_", "", " ", "")

// KnownKind returns the kind of a name in any case, with or without separators (CallLog, call_log); "" if it is none of
// those that the source is known to send.
func KnownKind(name string) Kind {
	plain := separators.Replace(UpperASCII(name))
	for _, k := range []Kind{SMS, MMS, CallLog, CallAudio, System} {
		if plain == strings.ReplaceAll(string(k), "_", "") {
			return k
		}
	}
	return ""
}
