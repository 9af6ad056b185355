package message

import (
	"bytes"
	"cmp"
	"path"
	"strconv"
	"strings"
	"time"

	"o2archiver/shared/record"
)

// isCall reports whether the record is a call, with or without a recording.
func isCall(r *record.Record) bool { return r.Kind == record.CallLog || r.Kind == record.CallAudio }

// lacksRecording reports whether the record is a call with a recording, but has no file.
func lacksRecording(r *record.Record) bool {
	return r.Kind == record.CallAudio && len(r.Attachments) == 0
}

// appendCall appends a summary of the call in plain words, as people search for it.
func appendCall(b []byte, r *record.Record) []byte {
	b = append(b, "Call"...)
	if r.Kind == record.CallAudio {
		b = append(b, " with recording"...)
	}
	if length := callLength(r); length > 0 {
		b = append(append(b, ", "...), formatDuration(length)...)
	}
	if status := callStatus(r); status != "" {
		b = appendShown(append(b, ", "...), status, 40)
	}
	return append(b, "\r\n\r\n"...)
}

// callLength returns how long the call lasted after it was answered: the duration that the source reports, or else
// the one computed from its times. It is 0 if unknown.
func callLength(r *record.Record) time.Duration {
	if r.Call == nil || r.Call.Duration != 0 {
		return max(0, callOf(r).Duration)
	}
	_, talk := ringAndTalk(r)
	return talk
}

// callOf returns the record's call, or the zero value if it has none.
func callOf(r *record.Record) record.Call {
	if r.Call == nil {
		return record.Call{}
	}
	return *r.Call
}

// callStatus returns the result of the call as the source reports it, in lower case and as words: no answer.
func callStatus(r *record.Record) string {
	return plainStatus(cmp.Or(callOf(r).Status, r.Status))
}

// plainStatus returns a status in lower case and as words.
func plainStatus(status string) string {
	return strings.ToLower(strings.TrimSpace(strings.Map(separatorToSpace, status)))
}

// separatorToSpace maps the separators of a status such as NO_ANSWER to spaces.
func separatorToSpace(c rune) rune {
	if c == '_' || c == '-' {
		return ' '
	}
	return c
}

// ringAndTalk returns the ring time, which lasts from the start to the answer (or to the end, if the call was not
// answered), and the talk time from the answer to the end. Each is 0 if its times cannot be read or are implausible.
// A call that was answered at an unknown time has neither.
func ringAndTalk(r *record.Record) (ring, talk time.Duration) {
	c := callOf(r)
	start, answer, end := callTime(c.Start), callTime(c.Answer), callTime(c.End)
	if c.Answer == "" && c.Duration <= 0 && !wasAnswered(c.Status) && !wasAnswered(r.Status) {
		return plausibleSpan(start, end), 0
	}
	return plausibleSpan(start, answer), plausibleSpan(answer, end)
}

// wasAnswered reports whether a status is that of an answered call. "Not answered" and "unanswered" are not.
func wasAnswered(status string) bool {
	status = plainStatus(status)
	for _, word := range []string{"answered", "connected", "completed"} {
		if strings.HasPrefix(status, word) {
			return true
		}
	}
	return false
}

// plausibleSpan returns the time between two times, 0 if one of them is zero or the result is not plausible for a call.
func plausibleSpan(from, to time.Time) time.Duration {
	if d := to.Sub(from); !from.IsZero() && !to.IsZero() && d > 0 && d <= 24*time.Hour {
		return d
	}
	return 0
}

// callTime parses a time of a call. It returns the zero time if the value is not a time or is implausible.
func callTime(given string) time.Time {
	t, err := time.Parse(time.RFC3339, given)
	if err != nil || t.UTC().Year() < 2000 || t.UTC().Year() > 9999 {
		return time.Time{}
	}
	return t
}

// formatDuration returns a duration as people write it: 1 h 2 min 3 s.
func formatDuration(d time.Duration) string {
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

// call appends the times, durations and id of a call.
func (p *block) call(r *record.Record) {
	c := r.Call
	if c == nil {
		return
	}
	for _, m := range [...]struct{ name, given string }{
		{"Call started", c.Start}, {"Call answered", c.Answer}, {"Call ended", c.End},
	} {
		at := callTime(m.given)
		p.addTime(m.name, at)
		p.asGiven(m.name, at, m.given)
	}
	ring, talk := ringAndTalk(r)
	if ring > 0 {
		p.line("Ring time: ", formatDuration(ring))
	}
	if talk > 0 && talk != c.Duration {
		p.line("Talk time: ", formatDuration(talk))
	}
	if d := c.Duration; d != 0 {
		p.b = append(p.b, "Call duration: "...)
		millis := formatThousands(d.Milliseconds()) + " ms"
		switch {
		case d < 0:
			p.line(millis)
		case talk > 0 && (d-talk).Abs() > 2*time.Second: // more than clock differences and rounding explain
			p.line(formatDuration(d), " (", millis, "; it is not the time between answer and end)")
		default:
			p.line(formatDuration(d), " (", millis, ")")
		}
	}
	p.field("Call id", c.ID, "")
}

// recordingFile returns the name and content type of a call's file, which sources often omit or get wrong. The file's
// first bytes take precedence over the given type, and a given audio type over the name's extension.
func recordingFile(
	a record.Attachment, r *record.Record, c *participants, peek func(n int) ([]byte, error),
) (name, media string, err error) {
	head, err := peek(16)
	if err != nil {
		return "", "", err
	}
	given := decodedName(a.Name)
	ext := strings.ToLower(path.Ext(given))
	media = mediaType(a.Type)
	sound := strings.HasPrefix(media, "audio/") || strings.HasPrefix(media, "video/")
	if found := audioType(head); found != "" {
		if !sound || !sameFormat(found, media) {
			media, sound = found, true
		}
	} else if found := audioByExtension(ext); !sound && found != "" {
		media, sound = found, true
	}
	stem := strings.Trim(strings.TrimSuffix(given, path.Ext(given)), ". _/\\") != ""
	switch {
	case !stem || ext == "" && !sound:
		who := c.from.label()
		if c.from.e164 != "" {
			who = c.from.e164[1:]
		}
		name = "call-" + r.Time.UTC().Format("2006-01-02-1504") + "-" + slugOf(who) + extensionOf(media)
	case sound && !hasExtension(given):
		// path.Ext would take the end of rec-2026.11.22 for an extension.
		name = strings.TrimRight(given, ". ") + extensionOf(media)
	default:
		name = given
	}
	return fileName(name, media, r.Kind), media, nil
}

// sameFormat reports whether two types are names of the same format. Audio and video in the same container are.
func sameFormat(found, given string) bool {
	_, sub, _ := strings.Cut(found, "/")
	_, other, _ := strings.Cut(given, "/")
	return sub == other || extensionOf(found) == extensionOf(given)
}

// audioType returns the type of a recording by its first bytes, for the formats of networks and recorders; "" if it
// is none of them.
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
	case at(0, "\x1a\x45\xdf\xa3"):
		return "audio/webm" // RFC 8794 section 11.2.1
	case at(0, "fLaC"):
		return "audio/flac"
	case len(head) > 1 && head[0] == 0xFF && head[1]&0xF6 == 0xF0:
		return "audio/aac" // ADTS: ISO 14496-3 section 1.A.2
	case at(0, "ID3"), len(head) > 1 && head[0] == 0xFF && head[1]&0xE0 == 0xE0 && head[1]&0x06 == 0x02:
		return "audio/mpeg" // layer III
	}
	return ""
}

// audioByExtension returns the type of a recording by its file extension; "" if the extension is unknown.
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
	case ".aac":
		return "audio/aac"
	case ".webm", ".weba":
		return "audio/webm"
	case ".flac":
		return "audio/flac"
	case ".m4a", ".mp4":
		return "audio/mp4"
	case ".ogg", ".oga", ".opus":
		return "audio/ogg"
	case ".3gp", ".3ga":
		return "audio/3gpp"
	}
	return ""
}
