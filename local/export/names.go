package export

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const (
	maxFolder = 100 // bytes; file systems take 255, and the whole path may be bounded too
	short     = 16  // how much of a message's id its file's name has
)

// Folder is the name of a mailbox's folder: its address, or its id where the address isn't known. It is safe on any file system. Names
// that had to be changed carry a part of their hash, so that different ones stay different.
func Folder(address, id string) string {
	given := address
	if given == "" {
		given = id
	}
	given = strings.ToLower(given) // some file systems know no case
	name := cleanName(given)
	if name == "" || name != given || isDeviceName(name) || strings.HasSuffix(name, ".") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "-") {
		return markName(name, given)
	}
	return name
}

// markName makes a name different from what it was by a part of the hash of what it stands for. The result neither begins nor
// ends with a dot or a dash, and is no device of Windows.
func markName(name, of string) string {
	sum := sha256.Sum256([]byte(of))
	name = strings.Trim(name, ".-_ ")
	if isDeviceName(name) {
		name = "mailbox-" + name
	}
	return strings.TrimPrefix(name+"-"+hex.EncodeToString(sum[:4]), "-")
}

// fileName is that of a message: when it was sent, and so many characters of its id. Names sort by time.
func fileName(sent time.Time, messageID string, n int) string {
	return sent.UTC().Format("20060102T150405Z") + "-" + cleanName(messageID[:min(n, len(messageID))]) + ".eml"
}

// cleanName replaces what some file system has no place for, and cuts what is too long.
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

// isDeviceName says whether Windows takes the name for a device, whatever its extension.
func isDeviceName(name string) bool {
	stem, _, _ := strings.Cut(strings.ToLower(name), ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	return len(stem) == 4 && (stem[:3] == "com" || stem[:3] == "lpt") && stem[3] >= '0' && stem[3] <= '9'
}
