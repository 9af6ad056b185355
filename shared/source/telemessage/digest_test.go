package telemessage

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// A digest is what can be checked with it; anything else that a source writes in its place proves nothing.
func TestDigest(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("hello"))
	want := hex.EncodeToString(sum[:])
	std := base64.StdEncoding.EncodeToString(sum[:])
	for _, given := range []string{
		want, strings.ToUpper(want), " " + want + "\n", "0x" + want, want[:32] + " " + want[32:], pairs(want,
			":"), strings.ToUpper(pairs(want, "-")),
		"sha256:" + want, "SHA256: " + want, "sha-256:" + strings.ToUpper(want), "SHA-256=" + want, "sha256-" +
			want, "urn:sha256:" + want, "SHA2-256 " + want,
		"sha256/" + want, "{SHA256}" + std, `"` + want + `"`,
		std, strings.TrimRight(std, "="), base64.RawURLEncoding.EncodeToString(sum[:]), "sha256-" + std, "SHA-256=" +
			std, "sha-256=:" + std + ":",
	} {
		src := AttachmentSource{Digest: given}
		if got := src.SHA256(); got != want || src.unusable() != "" {
			t.Errorf("%q: %q, unusable %q", given, got, src.unusable())
		}
	}
	m, s1, s5 := md5.Sum([]byte("hello")), sha1.Sum([]byte("hello")), sha512.Sum512([]byte("hello"))
	for _, given := range []string{
		"none", "null", "-", "0", "n/a", "sha256", "sha256:", "md5:" +
			hex.EncodeToString(m[:]), hex.EncodeToString(m[:]), base64.StdEncoding.EncodeToString(m[:]),
		hex.EncodeToString(s1[:]), "sha512:" +
			hex.EncodeToString(s5[:]), hex.EncodeToString(s5[:]), base64.StdEncoding.EncodeToString(s5[:]),
		"sha3-256:" + want, "blake3:" + want, want[:63], want + "0", "sha256:" + want[:60], "£" +
			want, strings.Repeat("a", 1<<20),
	} {
		src := AttachmentSource{Digest: given}
		if got := src.SHA256(); got != "" || src.unusable() != given {
			t.Errorf("%.40q is taken for the digest %q, unusable %.40q", given, got, src.unusable())
		}
	}
	for _, given := range []string{"", " ", "\t\n"} {
		src := AttachmentSource{Digest: given}
		if src.SHA256() != "" || src.unusable() != "" {
			t.Errorf("%q: %q, unusable %q", given, src.SHA256(), src.unusable())
		}
	}
}

// pairs puts the separator between the bytes of a hex string.
func pairs(digits, separator string) string {
	var all []string
	for i := 0; i < len(digits); i += 2 {
		all = append(all, digits[i:i+2])
	}
	return strings.Join(all, separator)
}
