package sample

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"time"
)

// file is the file of an attachment.
type file struct {
	name, mime string
	data       []byte
}

// attachment is one element of an item's array of that name. Its fields have type any so that a trap can leave one out
// (nil) or set it to the wrong type.
type attachment struct {
	Name        any `json:"name,omitempty"`
	ContentType any `json:"contentType,omitempty"`
	AttachSize  any `json:"attachSize,omitempty"`
	Digest      any `json:"digest,omitempty"`
	Content     any `json:"content,omitempty"`
	ContentURL  any `json:"contentUrl,omitempty"`
}

// inline returns the attachment with its bytes in it.
func (f file) inline() attachment {
	return attachment{f.name, f.mime, len(f.data), hexSHA256(f.data), base64.StdEncoding.EncodeToString(f.data), nil}
}

// linked returns the attachment with an address for its bytes.
func (f file) linked(path string) attachment {
	return attachment{f.name, f.mime, len(f.data), hexSHA256(f.data), nil, path}
}

func hexSHA256(data []byte) string {
	d := sha256.Sum256(data)
	return hex.EncodeToString(d[:])
}

// makeGallery returns n pictures for the messages of the sample day, PNG and JPEG alternately.
func makeGallery(n int) []file {
	var files []file
	for i := range n {
		picture := paintSunset(uint64(i), 160+8*(i%5), 120+8*(i%3), 6)
		var b bytes.Buffer
		if i%2 == 0 {
			mustWrite(png.Encode(&b, picture))
			files = append(files, file{fmt.Sprintf("IMG_%04d.png", 1200+i), "image/png", b.Bytes()})
			continue
		}
		mustWrite(jpeg.Encode(&b, picture, &jpeg.Options{Quality: 85}))
		files = append(files, file{fmt.Sprintf("IMG_%04d.jpg", 1200+i), "image/jpeg", b.Bytes()})
	}
	return files
}

// bigPicture returns a PNG of more than a mebibyte: grain does not compress.
func bigPicture() file {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	mustWrite(encoder.Encode(&b, paintSunset(99, 680, 560, 255)))
	return file{"site plan.png", "image/png", b.Bytes()}
}

// paintSunset returns a picture of a sunset over a disc, with grain so that no two pictures are alike.
func paintSunset(seed uint64, width, height, grain int) image.Image {
	rng := rand.New(rand.NewPCG(seed, 2))
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	cx, cy, r := rng.IntN(width), rng.IntN(height), height/4
	for y := range height {
		for x := range width {
			noise := rng.Uint32()
			c := color.NRGBA{
				R: 255 - uint8(120*y/height), G: uint8(60 + 100*y/height), B: uint8(90 + 80*x/width), A: 255}
			if (x-cx)*(x-cx)+(y-cy)*(y-cy) < r*r {
				c.R, c.G = 250, 220
			}
			c.R -= uint8(int(noise&255) * grain / 256)
			c.G -= uint8(int(noise>>8&255) * grain / 256)
			c.B -= uint8(int(noise>>16&255) * grain / 256)
			picture.SetNRGBA(x, y, c)
		}
	}
	return picture
}

// wavRate is the sample rate in Hz. A sample has 16 bits and one channel, as a telephone recorder makes it.
const wavRate = 8000

// makeRecording returns a WAV file of a tone. Every second of it is the same, so that six minutes take no longer to
// compute than one second.
func makeRecording(name string, hertz int, length time.Duration) file {
	second := make([]byte, 0, 2*wavRate)
	for i := range wavRate {
		v := math.Sin(2 * math.Pi * float64(hertz) * float64(i) / wavRate)
		second = binary.LittleEndian.AppendUint16(second, uint16(int16(8000*v)))
	}
	size := 2 * int(length*wavRate/time.Second)
	sound := make([]byte, 0, size+len(second))
	for len(sound) < size {
		sound = append(sound, second...)
	}
	sound = sound[:size]

	b := make([]byte, 0, 44+size)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+size))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1) // PCM
	b = binary.LittleEndian.AppendUint16(b, 1) // one channel
	b = binary.LittleEndian.AppendUint32(b, wavRate)
	b = binary.LittleEndian.AppendUint32(b, 2*wavRate) // bytes per second
	b = binary.LittleEndian.AppendUint16(b, 2)         // bytes per sample
	b = binary.LittleEndian.AppendUint16(b, 16)        // bits per sample
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(size))
	return file{name, "audio/wav", append(b, sound...)}
}

// makeCard returns a contact card, as phones send them.
func makeCard(p *person) file {
	return file{p.first + ".vcf", "text/vcard", fmt.Appendf(nil,
		"BEGIN:VCARD\r\nVERSION:3.0\r\nN:%s;%s\r\nFN:%s %s\r\nTEL;TYPE=CELL:+%s\r\nEND:VCARD\r\n",
		p.last, p.first, p.first, p.last, p.number)}
}

// mustWrite checks the error of a write to memory, which can't fail: an error is a bug in this package.
func mustWrite(err error) {
	if err != nil {
		panic(err)
	}
}
