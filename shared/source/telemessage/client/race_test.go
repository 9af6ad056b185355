//go:build race

package client

// slow: the race detector makes going through a gigabyte take minutes.
const slow = true
