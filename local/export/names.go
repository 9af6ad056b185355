package export

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const (
	maxFolder = 100 // bytes of a name; file systems allow 255, but the whole path may be limited too
	short     = 16  // characters of a message's id in its file's name
)

// Folder returns the name of a mailbox's folder: its address, or its id if the address is unknown. The name is safe on
// any file system. A name that had to be changed ends with a part of the original's hash, so that different mailboxes
// have different names.
func Folder(address, id string) string {
	given := address
	if given == "" {
		given = id
	}
	given = strings.ToLower(given) // some file systems are not case sensitive
	name := cleanName(given)
	if name == "" || name != given || isDeviceName(name) || strings.HasSuffix(name, ".") ||
		strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return markName(name, given)
	}
	return name
}

// markName returns the name with a part of the hash of what it stands for, so that it is unique. The result neither
// begins nor ends with a dot or a dash, and is no device name of Windows.
func markName(name, of string) string {
	sum := sha256.Sum256([]byte(of))
	name = strings.Trim(name, ".-_ ")
	if isDeviceName(name) {
		name = "mailbox-" + name
	}
	return strings.TrimPrefix(name+"-"+hex.EncodeToString(sum[:4]), "-")
}

// fileName returns the name of a message's file: the time when it was sent, and n characters of its id. Names sort by
// time.
func fileName(sent time.Time, messageID string, n int) string {
	return sent.UTC().Format("20060102T150405Z") + "-" + cleanName(messageID[:min(n, len(messageID))]) + ".eml"
}

// cleanName replaces characters that a file system may not allow, and truncates names that are too long.
func cleanName(s string) string {
	s = strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.ContainsRune("._@-", c):
			return c
		}
		return '_'
	}, s)
	return s[:min(maxFolder, len(s))]
}

// isDeviceName reports whether Windows treats the name as a device, whatever its extension.
func isDeviceName(name string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '0' && stem[3] <= '9'
}
