package fetchtest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"testing"
)

// MakeZIP returns a ZIP of n messages, of which each tenth has an attachment, with its manifest.
func MakeZIP(t *testing.T, prefix string, n int) []byte {
	t.Helper()
	var out, list bytes.Buffer
	z := zip.NewWriter(&out)
	put := func(name, body string) {
		f, err := z.Create(name)
		if err == nil {
			_, err = io.WriteString(f, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
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
		put(fmt.Sprintf("%05d.eml", i), head+body)
		fmt.Fprintf(&list, "%05d.eml\r\n", i)
	}
	put("manifest.mf", list.String())
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
