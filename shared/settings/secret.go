package settings

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "***"

// Secret is a text that cannot be printed by any verb of fmt, encoder or logger: they all output "***". Only Reveal
// returns the text. The zero Secret is not set.
type Secret struct {
	// reveal is a closure and not a string: fmt prints the unexported fields of a struct around a Secret by
	// reflection, without calling Secret's methods, and test tools that dump values do the same.
	reveal func() string
}

// NewSecret returns a Secret with the text s. If s is empty, the Secret is not set.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// Reveal returns the text, for the one place that has to send it. It is "" if the Secret is not set.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Set reports whether the Secret has a text.
func (s Secret) Set() bool { return s.reveal != nil }

// String returns "***".
func (s Secret) String() string { return hidden }

// GoString returns "***".
func (s Secret) GoString() string { return hidden }

// Format writes "***", whatever the verb and its flags.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText returns "***".
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON returns "***" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// LogValue returns "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
