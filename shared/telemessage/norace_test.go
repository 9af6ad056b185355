//go:build !race

package telemessage

const slow = false
