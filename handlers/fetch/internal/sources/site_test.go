package sources

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"o2archiver/handlers/fetch/internal/fetchtest"
	"o2archiver/local/vault"
	"o2archiver/shared/pipetest"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/telemessage/telemessagetest"
)

// byHost sends the requests to each host another way.
type byHost map[string]http.RoundTripper

func (b byHost) RoundTrip(r *http.Request) (*http.Response, error) {
	return b[r.URL.Hostname()].RoundTrip(r)
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// With the address of a secret, the password is read from the vault when a run starts, and once more when the site
// refuses it.
func TestPasswordInVault(t *testing.T) {
	const hidden = "d4s-ist-geheim"
	answers := telemessagetest.New(telemessagetest.Options{Username: fetchtest.Username, Password: hidden})
	secrets := vault.New(map[string]int{"local": vault.MayRead}, nil)
	secrets.Put("site", hidden, vault.Attributes{})
	toSite, stopSite := pipetest.Serve(answers)
	t.Cleanup(stopSite)
	toVault, stopVault := pipetest.Serve(secrets)
	t.Cleanup(stopVault)
	at := Site{Address: parse(t, "https://rest.telemessage.example/base"), Username: fetchtest.Username,
		Password: settings.StoredSecret{Address: parse(t, "https://localhost:8443/secrets/site")}}
	site, signIn, err := at.connect(Services{
		HTTP: byHost{"rest.telemessage.example": toSite, "localhost": toVault}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if secrets.Reads() != 0 {
		t.Error("the vault is asked before a run starts")
	}
	ask := func() error {
		_, _, err := site.Count(t.Context(), time.Now().Add(-time.Hour), time.Now())
		return err
	}
	if err := signIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil || secrets.Reads() != 1 {
		t.Errorf("%v after %d reads", err, secrets.Reads())
	}
	answers.SetPassword("another-" + hidden)
	secrets.Put("site", "another-"+hidden, vault.Attributes{})
	if err := ask(); err != nil || secrets.Reads() != 2 {
		t.Errorf("after a change: %v after %d reads", err, secrets.Reads())
	}
}
