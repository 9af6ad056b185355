package record

// The strings package knows all of Unicode: it lowers U+0130 and the Kelvin sign U+212A to i and k, raises the long s
// U+017F to S, and takes the last two for equal to k and s. A name that is checked to be ASCII on one side of that, and compared or
// written on the other, is another name. So addresses, host names and words of the source are compared by these functions.

// LowerASCII returns s with its capital letters of ASCII made small.
func LowerASCII(s string) string { return toggleCase(s, 'A', 'Z', 'a'-'A') }

// UpperASCII returns s with its small letters of ASCII made capital.
func UpperASCII(s string) string { return toggleCase(s, 'a', 'z', 'a'-'A') }

// EqualFoldASCII reports whether s and t are equal but for the case of letters of ASCII.
func EqualFoldASCII(s, t string) bool { return len(s) == len(t) && LowerASCII(s) == LowerASCII(t) }

// toggleCase returns s with flip toggled in each byte from first to last. Bytes of longer characters are all above ASCII.
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
