package telemessagetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// cursor is the state of reading a window. For the client it is opaque.
type cursor struct {
	After  place     `json:"a"`
	Page   int       `json:"p"` // number of pages sent so far
	Issued time.Time `json:"d"`
	From   time.Time `json:"f"`
	To     time.Time `json:"u"`
}

// writeCursor returns the signed text of a cursor for the window.
func (s *Site) writeCursor(c cursor, w window) string {
	c.Issued, c.From, c.To = s.o.Now().UTC(), w.from, w.to
	body, _ := json.Marshal(c) // cannot fail: it has times and numbers only
	return base64.RawURLEncoding.EncodeToString(append(s.sign(body), body...))
}

// readCursor decodes a cursor. If it cannot be used, status is the one to answer with: 400 for a cursor that this
// site did not write, or wrote for another window; 410 for one that is too old.
func (s *Site) readCursor(text string, w window) (c cursor, status int) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) < sha256.Size || !hmac.Equal(data[:sha256.Size], s.sign(data[sha256.Size:])) {
		return c, http.StatusBadRequest
	}
	if json.Unmarshal(data[sha256.Size:], &c) != nil || !c.From.Equal(w.from) || !c.To.Equal(w.to) {
		return c, http.StatusBadRequest
	}
	if s.o.Now().Sub(c.Issued) >= s.o.CursorLife {
		return c, http.StatusGone
	}
	return c, 0
}

// sign returns the signature of a cursor.
func (s *Site) sign(body []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write(body)
	return h.Sum(nil)
}
