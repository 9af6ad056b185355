package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretCannotPrint(t *testing.T) {
	const value = "hunter2"
	s := NewSecret(value)
	type config struct {
		Shown  Secret
		hidden Secret
		nested *Secret
	}
	all := config{s, s, &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T %[1]v", "%10.3s"} {
		for _, v := range []any{s, &s, all, &all, []Secret{s}, map[string]Secret{"k": s}, []any{s, all}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, s.String(), s.GoString(), errors.Join(fmt.Errorf("open: %v", s)))
	for _, v := range []any{s, &s, all, []Secret{s}, map[string]any{"k": s}} {
		if err := json.NewEncoder(&out).Encode(v); err != nil {
			t.Error(err)
		}
	}
	text, _ := s.MarshalText()
	out.Write(text)
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("m", "secret", s, "pointer", &s, "config", all, "group", slog.GroupValue(slog.Any("s", s)))
	}
	for _, leak := range []string{value, "hunter", fmt.Sprintf("%x", value), fmt.Sprintf("%X", value)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q got out:\n%s", leak, out.String())
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(verb, s); got != "***" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestSecretReveals(t *testing.T) {
	for _, tt := range []struct {
		s    Secret
		want string
		set  bool
	}{
		{NewSecret(" x "), " x ", true},
		{NewSecret(""), "", false},
		{Secret{}, "", false},
	} {
		if got := tt.s.Reveal(); got != tt.want || tt.s.Set() != tt.set {
			t.Errorf("Reveal() = %q, Set() = %v; want %q, %v", got, tt.s.Set(), tt.want, tt.set)
		}
	}
}
