//go:build race

package telemessage

// slow: the race detector makes going through a gigabyte take minutes.
const slow = true
