package message

import (
	"testing"

	"o2archiver/shared/record"
)

func TestHarmless(t *testing.T) {
	for _, c := range [][3]string{
		{"image/png", "a.png", "image/png"}, {"IMAGE/JPG; x=y", "a", "image/jpeg"}, {"image/heic", "a.heic",
			"image/heic"},
		{"image/svg+xml", "a.png", unknownType}, {"image/png", "a.svg", unknownType}, {"image/jpeg", "a.jpg.exe",
			unknownType},
		{"text/plain", "a.txt", "text/plain"}, {"text/html", "a.txt", unknownType}, {"text/plain", "a.HTM",
			unknownType}, {"text/xml", "a", unknownType},
		{"text/vcard", "a.vcf", "text/vcard"}, {"application/pdf", "a.pdf", "application/pdf"}, {"application/smil",
			"a.smil", "application/smil"},
		{"application/javascript", "a", unknownType}, {"application/xhtml+xml", "a", unknownType}, {"application/x-sh",
			"a", unknownType},
		{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "a.docx",
			"application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
		{"application/vnd.ms-word.document.macroenabled.12", "a.docm",
			unknownType}, {"application/vnd.microsoft.portable-executable", "a", unknownType},
		{"multipart/mixed; boundary=x", "a", unknownType}, {"message/rfc822", "a.eml",
			unknownType}, {"text/html\r\nX: y", "a", unknownType},
		{"", "a", unknownType}, {"a/b/c", "a", unknownType}, {"audio/amr", "a.amr", "audio/amr"}, {"video/3gpp",
			"con.3gp", "video/3gpp"},
		{"text/plain", "a.vb", "application/octet-stream"}, {"text/plain", "a.ws",
			"application/octet-stream"}, {"text/plain", "a.wsc", "application/octet-stream"},
		{"text/plain", "a.MSC", "application/octet-stream"}, {"application/zip", "a.msp",
			"application/octet-stream"}, {"text/plain", "a.mst", "application/octet-stream"},
		{"text/plain", "a.scf", "application/octet-stream"}, {"text/plain", "a.INF",
			"application/octet-stream"}, {"application/zip", "a.iso", "application/octet-stream"},
		{"image/jpeg", "a.img", "application/octet-stream"}, {"text/plain", "a.application",
			"application/octet-stream"}, {"text/plain", "a.GADGET", "application/octet-stream"},
		{"image/jpeg", "a.xll", "application/octet-stream"}, {"text/plain", "a.py",
			"application/octet-stream"}, {"image/jpeg", "a.docm", "application/octet-stream"},
		{"application/vnd.ms-excel", "a.XLSM", "application/octet-stream"}, {"application/vnd.ms-powerpoint", "a.pptm",
			"application/octet-stream"},
		{"text/plain", "a.bas.txt", "text/plain"}, {"image/jpeg", "a.docm.jpg", "image/jpeg"}, {"text/plain", "docm",
			"text/plain"},
	} {
		if got := safeMediaType(mediaType(c[0]), c[1]); got != c[2] {
			t.Errorf("%q named %q is attached as %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

func TestPicturesBySignature(t *testing.T) {
	const png, jpeg, gif = "\x89PNG\r\n\x1a\n", "\xff\xd8\xff\xe0", "GIF89a"
	for _, c := range []struct {
		media, head string
		want        bool
	}{
		{"image/png", png, true}, {"image/jpeg", jpeg, true}, {"image/gif", gif, true}, {"image/gif", "GIF87a", true},
		{"image/png", jpeg, false}, {"image/jpeg", gif, false}, {"image/gif", "GIF88a", false}, {"image/png", png[:7],
			false}, {"image/png", "", false},
		{"image/webp", "RIFF", false}, {"text/html", png, false}, {"image/jpeg", "<script>", false},
	} {
		if got := isPicture(c.media, []byte(c.head)); got != c.want {
			t.Errorf("%s beginning with %q: %v", c.media, c.head, got)
		}
	}
}

// Windows opens a device, and no file, by these names, whatever stands behind a dot.
func TestNoDeviceForAName(t *testing.T) {
	for given, want := range map[string]string{
		"COM1": "_COM1", "lpt9.txt": "_lpt9.txt", "COM¹.x": "_COM¹.x", "PRN": "_PRN", "AUX.tar.gz": "_AUX.tar.gz",
		"CONIN$": "_CONIN$", "CONOUT$": "_CONOUT$",
		"CLOCK$": "_CLOCK$", "NUL .txt": "_NUL.txt", "Con": "_Con", "com0.jpg": "_com0.jpg", "a/nul.png": "_nul.png",
		"NUL. ": "_NUL",
		"COM10": "COM10", "COMA": "COMA", "COM": "COM", "CONSOLE": "CONSOLE", "NULL.txt": "NULL.txt", "a.con": "a.con",
	} {
		if got := fileName(given, "image/png", record.MMS); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

// Two owners' archives have the same group message, each as its own phone saw it: one conversation.
func TestTwoViewsOfAGroup(t *testing.T) {
	conversation := func(owner string, group string, numbers ...string) string {
		r := shortText()
		r.Owner, r.GroupMessage, r.GroupID, r.From.Value, r.To = owner, true, group, numbers[0], nil
		for _, n := range numbers[1:] {
			r.To = append(r.To, shortText().To[0])
			r.To[len(r.To)-1].Value = n
		}
		return participantsOf(r, Options{Region: "GB", Numbers: NewNumberCache()}).conversation
	}
	one := conversation("447700900123", "g1", "447700900123", "+447700900456", "07700 900789")
	if other := conversation("07700900789", "g2", "+44 7700 900123", "447700900789", "+447700900456",
		"07700900123"); other != one {
		t.Error("another view is another conversation")
	}
}
