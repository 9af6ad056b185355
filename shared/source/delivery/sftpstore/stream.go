package sftpstore

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	maxPacket  = 256 << 10 // bytes; that of pkg/sftp, which reports a larger one as a lost connection
	headerSize = 13        // length, type, id, and the number of names or the code of a status

	// draft-ietf-secsh-filexfer-02 sections 3 and 7
	typeStatus = 101
	typeName   = 104
	codeEOF    = 1
)

// stream is the SFTP session's input. It reads along for what pkg/sftp does not do: to limit the number of names in a
// listing, of which it holds all, and to see its end, for which it also takes a status without an error.
type stream struct {
	from     io.Reader
	maxNames int
	exceeded func(error) // called when a limit is exceeded

	mu     sync.Mutex
	head   []byte // the beginning of the current packet, up to headerSize
	left   int    // bytes of the current packet that have not come yet, after head
	names  int    // since the last reset
	ended  bool   // a status told of the end of a listing or file, since the last reset
	latest time.Time
}

// reset begins a new listing.
func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names, s.ended, s.latest = 0, false, time.Now()
}

// quiet returns how long nothing has come.
func (s *stream) quiet() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.latest)
}

// sawEnd reports whether the server has said that a listing or a file is at its end.
func (s *stream) sawEnd() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	if problem := s.scan(p[:n]); problem != nil {
		s.exceeded(problem)
		return 0, problem
	}
	return n, err
}

// scan reads the headers of packets.
func (s *stream) scan(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) > 0 {
		s.latest = time.Now()
	}
	for len(p) > 0 {
		if s.left > 0 {
			n := min(s.left, len(p))
			s.left -= n
			p = p[n:]
			continue
		}
		want := 4
		if len(s.head) >= 4 {
			want = min(headerSize, 4+int(binary.BigEndian.Uint32(s.head)))
		}
		n := min(want-len(s.head), len(p))
		s.head, p = append(s.head, p[:n]...), p[n:]
		if len(s.head) < 4 {
			continue
		}
		length := binary.BigEndian.Uint32(s.head)
		if length > maxPacket {
			return errPacket
		}
		if len(s.head) < min(headerSize, 4+int(length)) {
			continue
		}
		if len(s.head) == headerSize && s.head[4] == typeName {
			// A number that is not true is an error in pkg/sftp. A packet without a name counts as one: a server could
			// send them for ever.
			s.names += max(1, int(min(binary.BigEndian.Uint32(s.head[9:]), maxPacket)))
			if s.names > s.maxNames {
				return fmt.Errorf("%w: the folder has more than %d names", ErrProtocol, s.maxNames)
			}
		}
		if len(s.head) == headerSize && s.head[4] == typeStatus {
			s.ended = s.ended || binary.BigEndian.Uint32(s.head[9:]) == codeEOF
		}
		s.left = 4 + int(length) - len(s.head)
		s.head = s.head[:0]
	}
	return nil
}
