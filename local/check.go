package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/shared/settings"
)

// checkSettings returns an error that names every mistake in the environment's settings, as the apps would report them.
// Settings that the stand-ins supply are not reported as missing.
func checkSettings(lookup func(string) (string, bool)) error {
	given := func(name string) bool {
		v, ok := lookup(name)
		return ok && v != ""
	}
	if given("ARCHIVE_STORAGE__blobServiceUri") || given("ARCHIVE_STORAGE__tableServiceUri") {
		return errors.New(
			"ARCHIVE_STORAGE__blobServiceUri and ARCHIVE_STORAGE__tableServiceUri go with an identity in Azure; " +
				"the local run takes a connection string, ARCHIVE_STORAGE")
	}
	standIns := map[string]string{}
	if !given("ARCHIVE_STORAGE") {
		standIns["ARCHIVE_STORAGE"] = "AccountName=" + azurite.Account + ";AccountKey=" + azurite.Key
	}
	if !given("TELEMESSAGE_URL") {
		standIns["TELEMESSAGE_URL"] = "http://127.0.0.1"
		if !given("TELEMESSAGE_USERNAME") {
			standIns["TELEMESSAGE_USERNAME"] = siteUser
		}
		if !given("TELEMESSAGE_PASSWORD") && !given("TELEMESSAGE_PASSWORD_SECRET") {
			standIns["TELEMESSAGE_PASSWORD"] = sitePassword
		}
	}
	return settings.Check(func(name string) (string, bool) {
		if v, ok := standIns[name]; ok {
			return v, true
		}
		return lookup(name)
	})
}

// dialTime is how long to wait for a service to accept a connection.
const dialTime = 10 * time.Second

// checkReach returns an error if nothing listens at the address of a service that the environment names instead of its
// stand-in. Without the check a mistyped address would cost minutes, because fetch and import wait for a service that
// is unavailable. The settings must have been checked.
func checkReach(ctx context.Context, lookup func(string) (string, bool)) error {
	var all []error
	for _, service := range []struct{ setting, name string }{
		{"TELEMESSAGE_URL", "the TeleMessage site"}, {"GRAPH_URL", "Microsoft Graph"}} {
		address, ok := lookup(service.setting)
		if !ok || address == "" {
			continue
		}
		if err := dialOnce(ctx, address); err != nil {
			all = append(all, fmt.Errorf("%s does not answer at %s: %w", service.name, service.setting, err))
		}
	}
	return errors.Join(all...)
}

// dialOnce connects to the address and closes the connection. If a proxy is configured, it checks nothing.
func dialOnce(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("it is no address")
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); proxy != nil || err != nil {
		return nil
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	connection, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	var failed *net.OpError
	switch {
	case err == nil:
		return connection.Close()
	case errors.As(err, &failed):
		return failed.Err
	}
	return err
}
