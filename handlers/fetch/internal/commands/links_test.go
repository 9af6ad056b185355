package commands

import (
	"context"
	"fmt"
	"testing"
	"time"

	"o2archiver/shared/control"
	"o2archiver/shared/funchost"
	"o2archiver/shared/vault"
)

// counter is a site that counts what it is asked.
type counter int

func (c *counter) Count(context.Context, time.Time, time.Time) (int64, bool, error) {
	*c++
	return 0, true, nil
}

// Without the password the site is not asked: it counts refused tries.
func TestSiteIsNotTriedWithoutThePassword(t *testing.T) {
	o := newOffice(t, nil)
	for _, tt := range []struct {
		name   string
		signIn func(context.Context) error
		want   []control.Link // vault, if there is one, and site
		asked  counter
	}{
		{"the password is a setting", nil, []control.Link{{Link: "site", State: control.LinkOK, Says: "works"}}, 1},
		{"the vault works", func(context.Context) error { return nil }, []control.Link{
			{Link: "vault", State: control.LinkOK, Says: "works"}, {Link: "site", State: control.LinkOK, Says: "works"},
		}, 1},
		{"the vault refuses", func(context.Context) error {
			return fmt.Errorf("%w: %w", funchost.ErrSettings,
				&vault.Error{Says: "the password is disabled", Do: "enable it"})
		}, []control.Link{
			{Link: "vault", State: control.LinkFailed, Says: "the password is disabled", Do: "enable it"},
			{Link: "site", State: control.LinkUnknown, Says: "not tried: the password can't be read from the vault",
				Do: "do what helps the vault, and check again"},
		}, 0},
		{"the vault hangs", func(context.Context) error { return context.DeadlineExceeded }, []control.Link{
			{Link: "vault", State: control.LinkFailed, Says: "no answer within 30s",
				Do: "look at the vault's network settings and at the health of Key Vault in Azure, and check again"},
			{Link: "site", State: control.LinkUnknown, Says: "not tried: the password can't be read from the vault",
				Do: "do what helps the vault, and check again"},
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var site counter
			signIn, reads := tt.signIn, 0
			if signIn != nil {
				signIn = func(ctx context.Context) error { reads++; return tt.signIn(ctx) }
			}
			w := turnWork{Source: Source{Links: func() []Check { return SiteLinks(signIn, &site, o.store, time.Now) }}}
			got := w.check(t.Context())
			if len(got) != len(tt.want)+1 || got[len(got)-1].Link != "storage" || site != tt.asked {
				t.Fatalf("links %+v; the site was asked %d times", got, site)
			}
			if w.check(t.Context()); tt.signIn != nil && reads != 2 {
				t.Errorf("the vault was read %d times by two checks", reads)
			}
			for i, want := range tt.want {
				if got[i] != want {
					t.Errorf("%+v, want %+v", got[i], want)
				}
			}
		})
	}
}
