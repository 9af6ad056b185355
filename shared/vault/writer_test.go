package vault

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	standin "o2archiver/local/vault"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
)

const writer = "hidden-writer"

func openWriter(t *testing.T, v *standin.Vault) *Writer {
	t.Helper()
	way, stop := pipetest.Serve(v)
	t.Cleanup(stop)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	w, err := OpenWriter(config(Config{Address: u, Credential: bearer(writer), HTTP: &counted{t: t, inner: way}}))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// What is stored is what a reader with the right to read gets; the writer's own right does not include that.
func TestStore(t *testing.T) {
	v := standin.New(map[string]int{writer: standin.MayStore, reader: standin.MayRead}, nil)
	w := openWriter(t, v)
	for _, want := range []string{"first ü 'value'", "second"} {
		if err := w.Store(t.Context(), settings.NewSecret(want)); err != nil {
			t.Fatal(err)
		}
		s, _ := open(t, v, address, bearer(reader))
		if got, err := s.Read(t.Context()); err != nil || got.Reveal() != want {
			t.Errorf("read %q, %v; want %q", got.Reveal(), err, want)
		}
	}
	if _, err := w.secret.Read(t.Context()); err == nil {
		t.Error("the writer's right is enough to read")
	}
}

// Whatever the vault answers, the error says what to do and has nothing of the value and of the address.
func TestStoreErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rights int
		status int
		code   string
		away   bool
		says   string
		do     string
	}{
		{"no right", 0, 0, "", false, "does not let the app store", "setSecret"},
		{"the right to read", standin.MayRead, 0, "", false, "does not let the app store", "setSecret"},
		{"a firewall", standin.MayStore, http.StatusForbidden, "ForbiddenByFirewall", false, "network", "firewall"},
		{"a deleted secret", standin.MayStore, http.StatusConflict, "ObjectIsDeletedButRecoverable", false,
			"deleted secret of the same name", "recover"},
		{"an outage", standin.MayStore, http.StatusServiceUnavailable, "", true, "not available",
			"try again in a minute"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := standin.New(map[string]int{writer: tt.rights}, nil)
				w := openWriter(t, v)
				if tt.status != 0 {
					v.Fail(10, tt.status, tt.code)
				}
				err := w.Store(t.Context(), settings.NewSecret(value))
				var e *Error
				if !errors.As(err, &e) || e.Away != tt.away || !strings.Contains(e.Says, tt.says) ||
					!strings.Contains(e.Do, tt.do) || strings.Contains(err.Error(), "hidden") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// After a short outage the value is stored.
func TestStoreAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := standin.New(map[string]int{writer: standin.MayStore}, nil)
		w := openWriter(t, v)
		v.Fail(2, http.StatusServiceUnavailable, "")
		if err := w.Store(t.Context(), settings.NewSecret(value)); err != nil {
			t.Error(err)
		}
	})
}
