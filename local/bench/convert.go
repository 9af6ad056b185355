package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"o2archiver/shared/message"
	"o2archiver/shared/record"
	"o2archiver/shared/telemessage"
)

const (
	attachmentSize = 32 << 20
	base64Size     = 64 << 20
	collected      = 400 // GOGC of the import handler
)

// convert measures shared/message on one core.
func convert(ctx context.Context, r *report) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))         // the garbage collector has to share the core, too
	defer debug.SetGCPercent(debug.SetGCPercent(collected)) // as import sets it
	const group = "Conversion to RFC 5322, on one core"
	text, err := example()
	if err != nil {
		return err
	}
	o := message.Options{Region: "GB", Workshop: message.NewWorkshop()}
	writeText := func() error {
		m, err := message.Build(text, o)
		if err != nil {
			return err
		}
		return m.Write(io.Discard, nil)
	}
	file := *text
	file.Kind = record.CallAudio
	sum := sha256.New()
	_, _ = io.Copy(sum, noise(attachmentSize)) // a hash takes everything
	file.Attachments = []record.Attachment{{Name: "call.wav", Type: "audio/wav", Size: attachmentSize, SHA256: hex.EncodeToString(sum.Sum(nil))}}
	whole, err := message.Build(&file, o)
	if err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	writeFile := func() error {
		return whole.Write(io.Discard, func(string) (io.ReadCloser, error) { return io.NopCloser(noise(attachmentSize)), nil })
	}
	src := make([]byte, base64Size)
	_, _ = io.ReadFull(noise(base64Size), src)
	dst := make([]byte, base64.StdEncoding.EncodedLen(base64Size))
	encode := func() error {
		base64.StdEncoding.Encode(dst, src)
		return nil
	}
	var texts, files, alone testing.BenchmarkResult
	for range 2 { // in turns, and the better one counts: whatever else the machine does shall not hit one of them alone
		for _, b := range []struct {
			best *testing.BenchmarkResult
			once func() error
		}{{&texts, writeText}, {&files, writeFile}, {&alone, encode}} {
			got, err := bench(ctx, b.once)
			if err != nil {
				return fmt.Errorf("convert: %w", err)
			}
			if b.best.N == 0 || got.NsPerOp() < b.best.NsPerOp() {
				*b.best = got
			}
		}
	}
	r.add(group, "a short text, built and written", perSecond(texts, 1), "texts/s")
	r.add(group, "  its allocations", float64(texts.AllocsPerOp()), "")
	r.add(group, "  allocated bytes", float64(texts.AllocedBytesPerOp())/1e3, "kB")
	r.addOf(group, "an attachment of 32 MiB, streamed", perSecond(files, attachmentSize/1e6), "MB/s",
		perSecond(alone, base64Size/1e6), "encoding/base64 alone, in memory")
	r.add(group, "  its allocations", float64(files.AllocsPerOp()), "")
	r.add(group, "  allocated bytes", float64(files.AllocedBytesPerOp())/1e3, "kB")
	return nil
}

// bench repeats once for about a second.
func bench(ctx context.Context, once func() error) (got testing.BenchmarkResult, err error) {
	if err := context.Cause(ctx); err != nil {
		return got, err
	}
	got = testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err = once(); err != nil {
				b.FailNow()
			}
		}
	})
	return got, err
}

// perSecond is how many units a second there are, with that many in one operation.
func perSecond(b testing.BenchmarkResult, units float64) float64 {
	return units * float64(b.N) / b.T.Seconds()
}

// example is a generated text as import reads it from a batch.
func example() (*record.Record, error) {
	d := day{from: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), items: 1, mailboxes: 1}
	raw := d.json(0)
	sum := sha256.Sum256(raw)
	rec, err := telemessage.Parse(record.Entry{Version: 1, Items: []record.Item{{SHA256: hex.EncodeToString(sum[:]), Raw: json.RawMessage(raw)}}})
	if err != nil {
		return nil, fmt.Errorf("read a generated item: %w", err)
	}
	return rec, record.Check(rec)
}
