package main

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"o2archiver/local/vendorday"
)

// hostileZIP is a delivery that is made to take much memory.
type hostileZIP struct {
	name     string // in the report
	messages int    // lines of batches; -1: it is not read
	write    func(put func(name string, write func(io.Writer)))
}

const (
	emlHead = "Date: Thu, 26 Nov 2026 09:30:00 +0000\r\nFrom: Jane 447700900123 <jane@contoso.com>\r\n"
	emlMax  = 64 << 20 // bytes: the largest EML that is read
)

// hostileZIPs returns the large message, and what else a delivery may have to exhaust memory.
func hostileZIPs() []hostileZIP {
	text := func(s string) func(io.Writer) { return func(w io.Writer) { _, _ = io.WriteString(w, s) } }
	return []hostileZIP{
		{"an EML of 64 MiB, most of it an attachment", 1, func(put func(string, func(io.Writer))) {
			put("large.eml", func(w io.Writer) {
				head := emlHead + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
					"--b\r\nContent-Type: video/mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n"
				const end = "\r\n--b--\r\n"
				_, _ = io.WriteString(w, head)
				encoder := base64.NewEncoder(base64.StdEncoding, w)
				_, _ = io.Copy(encoder, noiseReader(int64(emlMax-len(head)-len(end))/4*3))
				_ = encoder.Close()
				_, _ = io.WriteString(w, end)
			})
		}},
		{"two EML of 64 MiB of text", 2, func(put func(string, func(io.Writer))) {
			for i := range 2 {
				put(fmt.Sprintf("%d.eml", i), func(w io.Writer) {
					_, _ = io.WriteString(w, emlHead+"\r\n")
					_, _ = io.Copy(base64.NewEncoder(base64.StdEncoding, w), noiseReader((emlMax-1000)/4*3))
				})
			}
		}},
		{"an EML that expands to 256 MiB", 1, func(put func(string, func(io.Writer))) {
			zeros := make([]byte, 1<<20)
			put("bomb.eml", func(w io.Writer) {
				for range 256 {
					_, _ = w.Write(zeros)
				}
			})
		}},
		{"99,000 entries with long names", 0, func(put func(string, func(io.Writer))) {
			for i := range 99_000 {
				put(fmt.Sprintf("%0250d", i), nil)
			}
		}},
		{"120,000 entries", -1, func(put func(string, func(io.Writer))) {
			for i := range 120_000 {
				put(fmt.Sprintf("%d.eml", i), nil)
			}
		}},
		{"EML of 1,000 levels, with a header of 10 MB, with 100,000 recipients", 24,
			func(put func(string, func(io.Writer))) {
				var deep strings.Builder
				deep.WriteString(emlHead)
				for i := range 1000 {
					fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
				}
				many := strings.Repeat("<447700900456@unknown.example>,\r\n ", 100_000)
				for i := range 8 {
					put(fmt.Sprintf("deep%d.eml", i), text(deep.String()))
					put(fmt.Sprintf("header%d.eml", i), text(emlHead+"X: "+strings.Repeat("x", 10_000_000)+"\r\n\r\nx"))
					put(fmt.Sprintf("many%d.eml", i), text(emlHead+"To: "+many+"<a@contoso.com>\r\n\r\nx"))
				}
			}},
	}
}

// make returns the delivery with that number: the hostile entries, and a message beside them.
func (h hostileZIP) make(number int) (vendorday.ZIP, error) {
	var out bytes.Buffer
	z, failed := zip.NewWriter(&out), error(nil)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	put := func(name string, write func(io.Writer)) {
		method := zip.Deflate
		if write == nil { // an empty entry
			method = zip.Store
		}
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			failed = err
			return
		}
		if write != nil {
			write(w)
		}
	}
	h.write(put)
	put("neighbour.eml", func(w io.Writer) { _, _ = io.WriteString(w, emlHead+"\r\nx") })
	if err := z.Close(); err != nil {
		failed = err
	}
	return vendorday.ZIP{Name: fmt.Sprintf("202611260000-TeleMessage_%d_20261126235900.zip", number),
		Data: out.Bytes()}, failed
}

// hostileDeliveries reads each of these ZIPs in a process of its own.
func (w *world) hostileDeliveries(ctx context.Context, r *report) error {
	for _, h := range hostileZIPs() {
		landing, _, err := serveStorage(ctx, &w.servers)
		if err != nil {
			return err
		}
		z, err := h.make(1)
		if err != nil {
			return err
		}
		folder, err := landing.landing(ctx)
		if err != nil {
			return err
		}
		if err := folder.Put(ctx, z.Name, bytes.NewReader(z.Data)); err != nil {
			return err
		}
		archived, store, err := serveStorage(ctx, &w.servers)
		if err != nil {
			return err
		}
		run, err := w.readDeliveries(ctx, archived.connection(), "DELIVERY_LANDING="+landing.connection())
		if err != nil {
			return err
		}
		if err := w.checkRecords(ctx, store, h.messages+1); err != nil {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		r.add("Deliveries: memory of hostile ZIPs, each read in a process of its own",
			h.name+": resident memory, highest",
			run.memory, "MB", atMost(deliveredMemory, "with what it has when idle"))
	}
	return nil
}
