package settings

import (
	"strings"
	"testing"
)

func TestImportsSettings(t *testing.T) {
	long := strings.Repeat("x", 101)
	for _, tt := range []struct{ name, value, want, says string }{
		{importsKind, "", "", ""},
		{importsKind, "sms", "SMS", ""},
		{importsKind, "CallLog", "CALL_LOG", ""},
		{importsKind, " call audio ", "CALL_AUDIO", ""},
		{importsKind, "Chat", "CHAT", ""},
		{importsKind, "System", "", "is the kind of the heartbeats"},
		{importsKind, "s-y-s-t-e-m", "", "is the kind of the heartbeats"},
		{importsKind, "a\nb", "", "is no word"},
		{importsKind, long[:41], "", "is no word"},
		{importsNetwork, "Contoso Mobile", "Contoso Mobile", ""},
		{importsNetwork, strings.Repeat("é", 40), strings.Repeat("é", 40), ""},
		{importsNetwork, strings.Repeat("é", 41), "", "is no name of a network"},
		{importsNetwork, "a\r\nBcc: b", "", "is no name of a network"},
		{importsNetwork, "\xff", "", "is no name of a network"},
		{importsNumberHeader, "X-Contoso-Number", "X-Contoso-Number", ""},
		{importsNumberHeader, "X-Contoso-Number:", "X-Contoso-Number", ""},
		{importsNumberHeader, "X Contoso", "", "is no name of a header field"},
		{importsNumberHeader, "X:Y", "", "is no name of a header field"},
		{importsNumberHeader, "X-Nümber", "", "is no name of a header field"},
		{importsNumberHeader, long, "", "is no name of a header field"},
	} {
		r := from(map[string]string{tt.name: tt.value})
		got, err := r.String(tt.name), r.Err()
		if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s=%q: %q, %v, want %q, %q", tt.name, tt.value, got, err, tt.want, tt.says)
		}
	}
}
