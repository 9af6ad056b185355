package record

import "strings"

// KnownKind returns the kind of a name in any case, with or without separators (CallLog, call_log); "" if it is none of
// those that the source is known to send.
func KnownKind(name string) Kind {
	plain := strings.NewReplacer("_", "", "-", "", " ", "").Replace(UpperASCII(name))
	for _, k := range []Kind{SMS, MMS, CallLog, CallAudio, System} {
		if plain == strings.ReplaceAll(string(k), "_", "") {
			return k
		}
	}
	return ""
}
