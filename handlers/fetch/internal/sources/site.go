package sources

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"o2archiver/handlers/fetch/internal/collector"
	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/handlers/fetch/internal/credentials"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/telemessage/client"
	"o2archiver/shared/vault"
)

// Site is a site that is asked for items, and how to sign in to it.
type Site struct {
	Address  *url.URL
	Username string
	Password settings.StoredSecret
	From     time.Time // start of the first run ever; zero: 24 hours before it
}

// FromSite returns the source that pulls items from a site. It makes no request.
func FromSite(at Site, s Services) (*Source, error) {
	site, signIn, err := at.connect(s)
	if err != nil {
		return nil, err
	}
	work := collector.New(collector.Options{
		Site: site, SignIn: signIn, Batches: s.Store.Batches(), Media: s.Store.Media(), Deferred: s.Store.Deferred(),
		Checkpoints: s.Store.Checkpoints(), From: at.From, Now: s.Now, Pause: s.Pause,
		Status: s.Status,
	})
	return &Source{
		Fetch: func(ctx context.Context, id, input string, log *slog.Logger) (any, error) {
			return work.Run(ctx, id, input, log)
		},
		Intake: commands.OfSite(work),
		Links:  func() []commands.Check { return commands.SiteLinks(signIn, site, s.Store, s.Now) },
	}, nil
}

// connect returns the client of the site. signIn reads the password; it is nil if the password is a setting.
func (at Site) connect(s Services) (site *client.Client, signIn func(context.Context) error, err error) {
	who := credentials.Fixed(at.Username, at.Password.Value)
	if in := at.Password.Address; in != nil {
		secret, err := vault.Open(vault.Config{Address: in, Credential: s.Credential, HTTP: s.HTTP, Now: s.Now,
			Thing: "password", Setting: "TELEMESSAGE_PASSWORD_SECRET", Script: "infra/password",
			Parse: settings.ParsePassword})
		if err != nil {
			return nil, nil, fmt.Errorf("TELEMESSAGE_PASSWORD_SECRET: %w", err)
		}
		who = credentials.InVault(at.Username, secret)
		signIn = who.Refresh
	}
	site, err = client.New(at.Address, who.Authorize,
		client.Options{HTTP: &http.Client{Transport: s.HTTP}, Now: s.Now, Renew: who.Renew})
	if err != nil {
		return nil, nil, fmt.Errorf("TELEMESSAGE_URL: %w", err)
	}
	return site, signIn, nil
}
