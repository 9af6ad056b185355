package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"o2archiver/handlers/fetch/internal/sftpserver"
	"o2archiver/shared/arrival"
	"o2archiver/shared/control"
	"o2archiver/shared/source/delivery/sftpstore"
	"o2archiver/shared/vault"
)

// fakeServer is an SFTP server without a file, which counts what it is asked.
type fakeServer struct {
	signIn         error
	signIns, shown int
}

func (f *fakeServer) SignIn(context.Context) error { f.signIns++; return f.signIn }

func (f *fakeServer) HostKey(context.Context) (sftpstore.HostKey, error) {
	f.shown++
	return sftpstore.HostKey{Algorithm: "ssh-ed25519", Fingerprint: "SHA256:x"}, nil
}

func (f *fakeServer) List(context.Context) (arrival.Listing, error) { return arrival.Listing{}, nil }

func (f *fakeServer) Open(context.Context, string, int64) (io.ReadCloser, error) {
	return nil, arrival.ErrNotListed
}

// One check asks the vault once, whatever became of it, and the server only with the secrets.
func TestServerIsNotTriedWithoutTheSecrets(t *testing.T) {
	o := newOffice(t, nil)
	vaultWorks := control.Link{Link: "vault", State: control.LinkOK, Says: "works"}
	works := control.Link{Link: "server", State: control.LinkOK,
		Says: "works; host key ssh-ed25519 SHA256:x; the folder has no ZIP yet"}
	notTried := control.Link{Link: "server", State: control.LinkUnknown,
		Says: "not tried: the credentials can't be read from the vault",
		Do:   "do what helps the vault, and check again"}
	form := fmt.Errorf("%w: the key has another form", sftpserver.ErrSecret)
	for _, tt := range []struct {
		name    string
		inVault bool
		signIn  error
		want    []control.Link // vault, if there is one, and server
		shown   int
	}{
		{"the secrets are settings", false, nil, []control.Link{works}, 1},
		{"the vault works", true, nil, []control.Link{vaultWorks, works}, 1},
		{"the vault refuses", true, fmt.Errorf("%w: %w", sftpserver.ErrSecret,
			&vault.Error{Says: "the password is disabled", Do: "enable it"}), []control.Link{
			{Link: "vault", State: control.LinkFailed, Says: "the password is disabled", Do: "enable it"},
			notTried}, 0},
		{"the vault hangs", true, context.DeadlineExceeded, []control.Link{
			{Link: "vault", State: control.LinkFailed, Says: "no answer within 30s",
				Do: "look at the vault's network settings and at the health of Key Vault in Azure, and check again"},
			notTried}, 0},
		{"a setting can't be used", false, form, []control.Link{{Link: "server", State: control.LinkFailed,
			Says: form.Error(), Do: helpServer(form)}}, 0},
		{"the time is over", false, errors.New("x"), []control.Link{{Link: "server", State: control.LinkFailed,
			Says: "x", Do: helpServer(errors.New("x"))}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, closed := &fakeServer{signIn: tt.signIn}, 0
			w := turnWork{Source: Source{Links: func() []Check {
				return ServerLinks(Place{Server: server, Deliveries: server, Imports: server,
					Close: func() { closed++ }}, tt.inVault, o.store)
			}}}
			got := w.check(t.Context())
			if len(got) == 0 || got[len(got)-1].Link != "storage" {
				t.Fatalf("links %+v", got)
			}
			if diff := cmp.Diff(tt.want, got[:len(got)-1]); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			if server.signIns != 1 || server.shown != tt.shown || closed != 1 {
				t.Errorf("%d reads of the secrets, %d connections, closed %d times", server.signIns, server.shown,
					closed)
			}
			if w.check(t.Context()); server.signIns != 2 {
				t.Errorf("%d reads of the secrets by two checks", server.signIns)
			}
		})
	}
}
