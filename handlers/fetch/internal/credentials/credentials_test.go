package credentials

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"o2archiver/shared/funchost"
	"o2archiver/shared/settings"
	"o2archiver/shared/vault"
)

const username = "archive-acme"

// source is a vault: it returns password or err, and counts.
type source struct {
	password string
	err      error
	reads    int
}

func (s *source) Read(context.Context) (settings.Secret, error) {
	s.reads++
	if s.err != nil {
		return settings.Secret{}, s.err
	}
	return settings.NewSecret(s.password), nil
}

// sent returns the password that a request carries.
func sent(t *testing.T, c *Credentials) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://site.example", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Authorize(r)
	user, password, ok := r.BasicAuth()
	if !ok || user != username {
		t.Errorf("user %q, %v", user, ok)
	}
	return password
}

func TestFixed(t *testing.T) {
	c := Fixed(username, settings.NewSecret("one"))
	if err := c.Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	if changed, err := c.Renew(t.Context()); changed || err != nil {
		t.Errorf("%v, %v", changed, err)
	}
	if got := sent(t, c); got != "one" {
		t.Errorf("the site gets %q", got)
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, "one") {
		t.Errorf("the password is printed: %s", text)
	}
}

// A changed password counts at the next run, and in this run if the site refuses the old one.
func TestChangedPassword(t *testing.T) {
	from := &source{password: "one"}
	c := InVault(username, from)
	step := func(what, want string, reads int) {
		t.Helper()
		if got := sent(t, c); got != want || from.reads != reads {
			t.Errorf("%s: the site gets %q after %d reads, want %q after %d", what, got, from.reads, want, reads)
		}
	}
	refresh := func() {
		t.Helper()
		if err := c.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	renew := func(want bool) {
		t.Helper()
		if changed, err := c.Renew(t.Context()); changed != want || err != nil {
			t.Errorf("changed %v, %v; want %v", changed, err, want)
		}
	}
	refresh()
	step("the first run", "one", 1)
	from.password = "two"
	step("in the middle of a run", "one", 1)
	renew(true)
	step("after a refusal", "two", 2)
	from.password = "three"
	renew(false) // once in a run
	step("after another refusal", "two", 2)
	refresh()
	step("the next run", "three", 3)
	renew(false)
	step("a refusal of the password that is in the vault", "three", 4)
	renew(false)
	step("and once more", "three", 4)
}

func TestVaultThatFails(t *testing.T) {
	away := &vault.Error{Says: "away", Do: "wait", Away: true}
	refused := &vault.Error{Says: "refused", Do: "act"}
	ended := errors.New("the time is up")
	for _, tt := range []struct {
		err, kind error
		status    int
	}{
		{away, funchost.ErrUnavailable, 503}, {refused, funchost.ErrSettings, 500}, {ended, ended, 500},
	} {
		from := &source{password: "one", err: tt.err}
		c := InVault(username, from)
		err := c.Refresh(t.Context())
		if !errors.Is(err, tt.kind) || !errors.Is(err, tt.err) || funchost.Status(err) != tt.status {
			t.Errorf("%v: %v", tt.err, err)
		}
		from.err = nil
		if err := c.Refresh(t.Context()); err != nil || sent(t, c) != "one" {
			t.Errorf("the vault is back: %v", err)
		}
		from.err = tt.err
		if changed, err := c.Renew(t.Context()); changed || !errors.Is(err, tt.err) {
			t.Errorf("changed %v, %v", changed, err)
		}
		if changed, err := c.Renew(t.Context()); changed || err != nil || from.reads != 3 {
			t.Errorf("changed %v, %v after %d reads", changed, err, from.reads)
		}
	}
}

// A time that ends while the vault is asked leaves the question to the next refusal.
func TestTimeEndsWhileTheVaultIsAsked(t *testing.T) {
	from := &source{password: "one"}
	c := InVault(username, from)
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	from.password = "two"
	cause := errors.New("the attachment's time is up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	if changed, err := c.Renew(ctx); changed || !errors.Is(err, cause) {
		t.Errorf("changed %v, %v", changed, err)
	}
	if changed, err := c.Renew(t.Context()); !changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
}
