package message

import (
	"bytes"
	"io"
	"testing"
	"time"

	"o2archiver/shared/record"
)

func shortText() *record.Record {
	at := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	return &record.Record{
		ID: "O2-8f1c2d3e", Kind: record.SMS, Network: "O2", Owner: "447700900123", Time: at,
		TimeText: "2026-11-22T09:30:00Z",
		Archived: at.Add(time.Hour), ArchivedText: "2026-11-22T10:30:00Z", Direction: "Out", Status: "Delivered",
		From: record.Participant{Value: "+447700900123", FirstName: "Jane", LastName: "Doe",
			Emails: []string{"jane@contoso.example"}},
		To:   []record.Participant{{Value: "+447700900456", FirstName: "Sam", LastName: "Lee"}},
		Text: "Ok lar... Joking wif u oni... See you at the station at ten", ContentType: "text/plain",
		SHA256: "6a3a73115a8938dabcdbf7c431cc4573bb5d1bc06bcce628632a5184dff7e5dd",
	}
}

func withFile(size int64) *record.Record {
	r := shortText()
	r.Kind = record.CallAudio
	r.Attachments = []record.Attachment{{Name: "call.wav", Type: "audio/wav", Size: size, SHA256: r.SHA256}}
	return r
}

// zeros returns size zero bytes without holding them.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	z.left -= n
	return int(n), nil
}

func openZeros(size int64) func(string) (io.ReadCloser, error) {
	return func(string) (io.ReadCloser, error) { return io.NopCloser(&zeros{size}), nil }
}

func benchmarkBuild(b *testing.B, o Options) {
	r := shortText()
	b.ReportAllocs()
	for b.Loop() {
		m, err := Build(r, o)
		if err != nil {
			b.Fatal(err)
		}
		if err := m.Write(io.Discard, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "texts/s")
}

func BenchmarkShortText(b *testing.B) {
	benchmarkBuild(b, Options{Region: "GB", Numbers: NewNumberCache()})
}

func BenchmarkShortTextNewNumbers(b *testing.B) { benchmarkBuild(b, Options{Region: "GB"}) }

func BenchmarkParseShortText(b *testing.B) {
	m, err := Build(shortText(), Options{Region: "GB"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(bytes.NewReader(m.bytes)); err != nil {
			b.Fatal(err)
		}
	}
}

const benchSize = 64 << 20

func BenchmarkWriteAttachment(b *testing.B) {
	m, err := Build(withFile(benchSize), Options{Region: "GB"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Write(io.Discard, openZeros(benchSize)); err != nil {
			b.Fatal(err)
		}
	}
}

// The way of a big attachment in the importer: written into a pipe, read out of it part by part.
func BenchmarkPipeAttachment(b *testing.B) {
	m, err := Build(withFile(benchSize), Options{Region: "GB"})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		r, w := io.Pipe()
		go func() { w.CloseWithError(m.Write(w, openZeros(benchSize))) }()
		p, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		part, err := p.Next()
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, part.Body); err != nil || n != benchSize {
			b.Fatal(n, err)
		}
	}
}
