package client

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/shared/retry"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// A refused request is sent once more if there are other credentials, and only then.
func TestCredentialsAreRenewed(t *testing.T) {
	t.Parallel()
	const other = "an0ther-passphrase"
	away := retry.NewTransient("the vault is away")
	for _, tt := range []struct {
		name     string
		site     string // the site's password
		offered  string // what Renew offers after the first refusal; "": the same
		err      error  // of Renew
		requests int
		renewals int
		want     string // in the error; "": none
	}{
		{"not refused", testPassword, other, nil, 1, 0, ""},
		{"another password, the right one", other, other, nil, 2, 1, ""},
		{"another password, a wrong one", "th1rd-passphrase", other, nil, 2, 1, "code 301: bad password"},
		{"the same password", other, "", nil, 1, 1, "code 301: bad password"},
		{"no answer", other, "", away, 1, 1, "whether the password has changed is not known: the vault is away"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			site := newSite(telemessagetest.Options{})
			want := fill(site, 3)
			site.SetPassword(tt.site)
			d := &direct{handler: site}
			password, renewals := testPassword, 0
			c, err := New(mustURL(t, "https://site.example/o2"),
				func(r *http.Request) { r.SetBasicAuth(testUser, password) },
				Options{HTTP: &http.Client{Transport: d}, Renew: func(context.Context) (bool, error) {
					if renewals++; tt.offered == "" || tt.err != nil {
						return false, tt.err
					}
					password = tt.offered
					return true, nil
				}})
			if err != nil {
				t.Fatal(err)
			}
			got, _, err := readAll(t.Context(), c, 10)
			if len(d.times) != tt.requests || renewals != tt.renewals {
				t.Errorf("%d requests, %d renewals; want %d, %d", len(d.times), renewals, tt.requests, tt.renewals)
			}
			if tt.want == "" {
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("error %v, items (-want +got):\n%s", err, diff)
				}
				return
			}
			if !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			// Whatever failed besides, a caller must not try refused credentials again.
			if again, _ := retry.IsTransient(err); again {
				t.Errorf("%v is transient", err)
			}
		})
	}
}

// The time that ends while the credentials are renewed ends the request.
func TestTimeEndsDuringRenewal(t *testing.T) {
	t.Parallel()
	site := newSite(telemessagetest.Options{})
	site.SetPassword("an0ther-passphrase")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("the time is up")
	c, err := New(mustURL(t, "https://site.example/o2"), credentials,
		Options{HTTP: &http.Client{Transport: &direct{handler: site}}, Renew: func(ctx context.Context) (bool, error) {
			cancel(ended)
			return false, context.Cause(ctx)
		}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Count(ctx, day0, day1); !errors.Is(err, ended) || errors.Is(err, ErrCredentials) {
		t.Errorf("error %v", err)
	}
}
