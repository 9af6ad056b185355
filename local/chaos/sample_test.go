package chaos

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"o2archiver/local/sample"
)

// longText is the name of the attachment that holds a text too long for one request, and longest what surely fits into
// one.
const (
	longText = "message.txt"
	longest  = 3 << 20
)

// sampleFiles finds out of the items alone, with none of the connector's code, which attachments each message of the
// sample day must have: what is inline or at the site, and has the digest that the item gives.
func sampleFiles(s *sample.Day) map[string][]string {
	served := map[string][]byte{}
	for _, c := range s.Contents {
		if c.Status == 0 {
			served[c.Path] = c.Data
		}
	}
	files := map[string][]string{}
	for _, it := range s.Items {
		var message struct {
			ID         string `json:"messageId"`
			Text       any    `json:"textContent"`
			Attachment []struct {
				Digest, Content, ContentURL string
			}
		}
		// What can't be read as this is none that becomes a message with files.
		if json.Unmarshal(it.Raw, &message) != nil {
			continue
		}
		var sums []string
		if text, _ := message.Text.(string); len(text) > longest {
			sums = append(sums, longText)
		}
		for _, a := range message.Attachment {
			data, ok := served[a.ContentURL]
			if a.Content != "" {
				data, ok = inline(a.Content)
			}
			sum := sha256.Sum256(data)
			name := hex.EncodeToString(sum[:])
			if ok && (a.Digest == "" || strings.EqualFold(a.Digest, name)) {
				sums = append(sums, name)
			}
		}
		slices.Sort(sums)
		if len(sums) > 0 {
			files[message.ID] = sums
		}
	}
	return files
}

// inline reads base64 in any of its forms.
func inline(text string) (data []byte, ok bool) {
	text = strings.NewReplacer("\r", "", "\n", "", " ", "", "-", "+", "_", "/", "=", "").Replace(text)
	data, err := base64.RawStdEncoding.DecodeString(text)
	return data, err == nil
}
