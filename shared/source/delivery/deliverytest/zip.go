package deliverytest

import (
	"archive/zip"
	"bytes"
	"io"
)

// ZIP returns a ZIP of these entries, each a name and a content, with one method of compression: zip.Store or
// zip.Deflate.
func ZIP(method uint16, entries ...[2]string) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, e := range entries {
		f, err := z.CreateHeader(&zip.FileHeader{Name: e[0], Method: method})
		if err == nil {
			_, err = io.WriteString(f, e[1])
		}
		if err != nil { // a buffer takes everything
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
