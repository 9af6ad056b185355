package fetchtest

import (
	"archive/zip"
	"fmt"
	"strings"

	"o2archiver/shared/source/delivery/deliverytest"
)

// MakeZIP returns a ZIP of n messages, of which each tenth has an attachment, with its manifest.
func MakeZIP(prefix string, n int) []byte {
	var list strings.Builder
	var entries [][2]string
	fmt.Fprintf(&list, "Count: %d\r\n", n)
	for i := range n {
		head := fmt.Sprintf("Date: Fri, 27 Nov 2026 09:30:00 +0000\r\nFrom: Jane 447700900123 <jane@contoso.com>\r\n"+
			"To: <447700900456@unknown.example>\r\nX-TELEMESSAGE-ArchiveMessageID: %s%d\r\n"+
			"X-TELEMESSAGE-MessageType: SMS\r\n", prefix, i)
		body := "Content-Type: text/plain\r\n\r\nconfidential text"
		if i%10 == 0 {
			body = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + body + "\r\n--b\r\n" +
				"Content-Type: image/png; name=\"a.png\"\r\n\r\n" + prefix + fmt.Sprint(i) + "\r\n--b--\r\n"
		}
		name := fmt.Sprintf("%05d.eml", i)
		entries = append(entries, [2]string{name, head + body})
		list.WriteString(name + "\r\n")
	}
	return deliverytest.ZIP(zip.Deflate, append(entries, [2]string{"manifest.mf", list.String()})...)
}
