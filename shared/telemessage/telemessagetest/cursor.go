package telemessagetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"
)

// cursor is where the reading of a window stands. To the client it is an opaque text.
type cursor struct {
	After  place     `json:"a"`
	Page   int       `json:"p"` // pages given so far
	Issued time.Time `json:"d"`
	From   time.Time `json:"f"`
	To     time.Time `json:"u"`
}

func (s *Site) writeCursor(c cursor, w window) string {
	c.Issued, c.From, c.To = s.o.Now().UTC(), w.from, w.to
	body, _ := json.Marshal(c) // times and numbers: it cannot fail
	return base64.RawURLEncoding.EncodeToString(append(s.sign(body), body...))
}

// readCursor gives the status to answer with if the cursor is of no use: 400 for one that this site did not
// write, or wrote for another window, 410 for one that is too old.
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

func (s *Site) sign(body []byte) []byte {
	h := hmac.New(sha256.New, s.key[:])
	h.Write(body)
	return h.Sum(nil)
}
