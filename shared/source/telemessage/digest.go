package telemessage

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
)

// algorithm matches the name of SHA-256 in front of a digest: "sha256:", "SHA-256=" (RFC 3230), "sha-256=:…:" (RFC
// 9530), "sha256-" (Subresource Integrity), "urn:sha256:", "{SHA256}".
var algorithm = regexp.MustCompile(`(?i)^(urn:)?(hash:+)?\{?sha-?(2-)?256\}?[\s:=/-]*`)

// SHA256 returns the digest as 64 lower-case hex digits, or "" if the source's digest is not a SHA-256; then it
// proves nothing for or against the bytes. It accepts hex in any case, with or without separators, and Base64 in both
// alphabets, with or without the name of the algorithm in front.
func (s AttachmentSource) SHA256() string {
	const longest = 200
	text := strings.TrimSpace(s.Digest)
	if len(text) > longest {
		return ""
	}
	text = strings.Trim(algorithm.ReplaceAllString(text, ""), ": \t\"'")
	digits := strings.NewReplacer(":", "", " ", "", "-", "").Replace(strings.TrimPrefix(strings.ToLower(text), "0x"))
	if sum, err := hex.DecodeString(digits); err == nil && len(sum) == 32 {
		return digits
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	if sum, err := base64.RawStdEncoding.DecodeString(text); err == nil && len(sum) == 32 {
		return hex.EncodeToString(sum)
	}
	return ""
}

// unusable returns the digest as given if nothing can be verified with it, and "" otherwise.
func (s AttachmentSource) unusable() string {
	given := strings.TrimSpace(s.Digest)
	if given == "" || s.SHA256() != "" {
		return ""
	}
	return given
}
