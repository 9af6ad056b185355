package settings

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "***"

// Secret is a text that no verb of fmt, no encoder and no logger can print: all of them give
// "***". Only Reveal gives the text. The zero Secret is not set.
type Secret struct {
	// A closure and not a string: fmt prints the unexported fields of a struct around a Secret by
	// reflection, without asking Secret's methods, and so would a dumper of test failures.
	reveal func() string
}

// NewSecret hides s. The empty text makes a Secret that is not set.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// Reveal gives the text itself, for the one place that has to send it. It is "" if not set.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Set reports whether there is a text.
func (s Secret) Set() bool { return s.reveal != nil }

// String is "***".
func (s Secret) String() string { return hidden }

// GoString is "***".
func (s Secret) GoString() string { return hidden }

// Format writes "***" whatever the verb and its flags.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalText gives "***".
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// MarshalJSON gives "***" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// LogValue gives "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }
