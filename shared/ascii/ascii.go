// Package ascii changes and ignores the case of ASCII letters, and of no others.
//
// The strings package knows all of Unicode: it lowers U+0130 and the Kelvin sign U+212A to i and k, raises the long s
// U+017F to S, and takes the last two for equal to k and s. A name that is checked to be ASCII on one side of that and compared or written on
// the other is another name. So addresses, host names and the words of the source's contract are compared with this package.
package ascii

// Lower returns s with its capital letters of ASCII made small.
func Lower(s string) string { return mapped(s, 'A', 'Z', 'a'-'A') }

// Upper returns s with its small letters of ASCII made capital.
func Upper(s string) string { return mapped(s, 'a', 'z', 'a'-'A') }

// EqualFold reports whether s and t are equal but for the case of letters of ASCII.
func EqualFold(s, t string) bool { return len(s) == len(t) && Lower(s) == Lower(t) }

// mapped returns s with flip toggled in each byte from first to last. Bytes of longer characters are all above ASCII.
func mapped(s string, first, last, flip byte) string {
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
