package record

// These functions change the case of ASCII letters only. The strings package applies Unicode's rules: it lowers
// U+0130 and the Kelvin sign U+212A to i and k, raises the long s U+017F to S, and treats the last two as equal to k
// and s. If only one side of a comparison were checked to be ASCII, a different name could pass. So addresses, host
// names and keywords of the source are compared by these functions.

// LowerASCII returns s with its upper-case ASCII letters in lower case.
func LowerASCII(s string) string { return toggleCase(s, 'A', 'Z', 'a'-'A') }

// UpperASCII returns s with its lower-case ASCII letters in upper case.
func UpperASCII(s string) string { return toggleCase(s, 'a', 'z', 'a'-'A') }

// EqualFoldASCII reports whether s and t are equal, ignoring the case of ASCII letters.
func EqualFoldASCII(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if s[i] != t[i] && lowerByte(s[i]) != lowerByte(t[i]) {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c ^= 'a' - 'A'
	}
	return c
}

// toggleCase returns s with the bits of flip toggled in each byte from first to last. The bytes of multi-byte
// characters are all above ASCII, so they do not change.
func toggleCase(s string, first, last, flip byte) string {
	for i := 0; i < len(s); i++ {
		if s[i] < first || s[i] > last {
			continue
		}
		out := []byte(s)
		for ; i < len(out); i++ {
			if out[i] >= first && out[i] <= last {
				out[i] ^= flip
			}
		}
		return string(out)
	}
	return s
}
