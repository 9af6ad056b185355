package message

import (
	"bytes"
	"path"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/record"
)

func isCall(r *record.Record) bool { return r.Kind == record.CallLog || r.Kind == record.CallAudio }

// appendCall appends what a call is in plain words, as people search for it.
func appendCall(b []byte, r *record.Record) []byte {
	b = append(b, "Call"...)
	if r.Kind == record.CallAudio {
		b = append(b, " with recording"...)
	}
	status := r.Status
	if r.Call != nil {
		length := r.Call.Duration
		if length == 0 {
			_, length = ringAndTalk(r.Call)
		}
		if length > 0 {
			b = append(append(b, ", "...), duration(length)...)
		}
		if r.Call.Status != "" {
			status = r.Call.Status
		}
	}
	if status = strings.TrimSpace(strings.Map(blank, status)); status != "" {
		b = appendShown(append(b, ", "...), strings.ToLower(status), 40)
	}
	return append(b, "\r\n\r\n"...)
}

// blank makes words of NO_ANSWER.
func blank(c rune) rune {
	if c == '_' || c == '-' {
		return ' '
	}
	return c
}

// ringAndTalk are the times from a call's start to its answer, or without one to its end, and from there to its end; 0 where they
// can't be read or make no sense.
func ringAndTalk(c *record.Call) (ring, talk time.Duration) {
	start, answer, end := callTime(c.Start), callTime(c.Answer), callTime(c.End)
	if c.Answer == "" && c.Duration <= 0 {
		return span(start, end), 0
	}
	return span(start, answer), span(answer, end)
}

func span(from, to time.Time) time.Duration {
	if d := to.Sub(from); !from.IsZero() && !to.IsZero() && d > 0 && d <= 24*time.Hour {
		return d
	}
	return 0
}

// callTime reads a time of a call; the zero time says that it is none, or impossible.
func callTime(given string) time.Time {
	t, err := time.Parse(time.RFC3339, given)
	if err != nil || t.UTC().Year() < 2000 || t.UTC().Year() > 9999 {
		return time.Time{}
	}
	return t
}

// duration is a time span as people say it: 1 h 2 min 3 s.
func duration(d time.Duration) string {
	if d < time.Second {
		return "under 1 s"
	}
	var parts []string
	for _, u := range []struct {
		span time.Duration
		name string
	}{{time.Hour, " h"}, {time.Minute, " min"}, {time.Second, " s"}} {
		if n := d / u.span; n > 0 {
			parts = append(parts, strconv.FormatInt(int64(n), 10)+u.name)
		}
		d %= u.span
	}
	return strings.Join(parts, " ")
}

func (p *block) call(r *record.Record) {
	c := r.Call
	if c == nil {
		return
	}
	p.moment("Call started", callTime(c.Start), c.Start)
	p.moment("Call answered", callTime(c.Answer), c.Answer)
	p.moment("Call ended", callTime(c.End), c.End)
	ring, talk := ringAndTalk(c)
	if ring > 0 {
		p.line("Ring time: ", duration(ring))
	}
	if talk > 0 {
		p.line("Talk time: ", duration(talk))
	}
	if d := c.Duration; d != 0 {
		p.line("Call duration: ", thousands(d.Milliseconds()), " ms")
	}
	p.field("Call status", c.Status)
	p.field("Call id", c.ID)
}

// recording decides on the name and the type of a call's file, which sources often leave out: by the type that is given, by the first
// bytes, by the name's extension.
func recording(a record.Attachment, r *record.Record, c *cast, peek func(n int) ([]byte, error)) (name, media string, err error) {
	ext := strings.ToLower(path.Ext(a.Name))
	if media = mediaType(a.Type); !strings.HasPrefix(media, "audio/") && !strings.HasPrefix(media, "video/") {
		head, err := peek(16)
		if err != nil {
			return "", "", err
		}
		if found := audioType(head); found != "" {
			media = found
		} else if found = audioByExtension(ext); found != "" {
			media = found
		}
	}
	if strings.Trim(strings.TrimSuffix(a.Name, path.Ext(a.Name)), ". _/\\") != "" && ext != "" && ext != ".bin" && ext != ".dat" && ext != ".tmp" {
		return fileName(a.Name, media, r.Kind), media, nil
	}
	who := c.from.label()
	if c.from.e164 != "" {
		who = c.from.e164[1:]
	}
	name = "call-" + r.Time.UTC().Format("2006-01-02-1504") + "-" + slug(who) + extensionOf(media)
	return fileName(name, media, r.Kind), media, nil
}

// audioType knows the recordings of networks and recorders by their first bytes; "" if they are none of them.
func audioType(head []byte) string {
	at := func(i int, s string) bool { return len(head) >= i && bytes.HasPrefix(head[i:], []byte(s)) }
	switch {
	case at(0, "#!AMR-WB"):
		return "audio/amr-wb" // RFC 4867 section 5.1
	case at(0, "#!AMR"):
		return "audio/amr"
	case at(0, "RIFF") && at(8, "WAVE"):
		return "audio/wav"
	case at(0, "OggS"):
		return "audio/ogg" // RFC 3533 section 6
	case at(4, "ftyp3g"):
		return "audio/3gpp"
	case at(4, "ftyp"):
		return "audio/mp4" // RFC 4337
	case at(0, "ID3"), len(head) > 1 && head[0] == 0xFF && head[1]&0xE0 == 0xE0 && head[1]&0x06 == 0x02:
		return "audio/mpeg" // layer III
	}
	return ""
}

func audioByExtension(ext string) string {
	switch ext {
	case ".amr":
		return "audio/amr"
	case ".awb":
		return "audio/amr-wb"
	case ".wav":
		return "audio/wav"
	case ".mp3":
		return "audio/mpeg"
	case ".m4a", ".mp4":
		return "audio/mp4"
	case ".ogg", ".oga", ".opus":
		return "audio/ogg"
	case ".3gp", ".3ga":
		return "audio/3gpp"
	}
	return ""
}
