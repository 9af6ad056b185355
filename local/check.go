package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"o2archiver/local/azurite"
	"o2archiver/local/sftpserver"
	"o2archiver/shared/azure"
	"o2archiver/shared/settings"
)

// checkSettings returns an error that names every mistake in the environment's settings, as the apps would report them.
// Settings that the stand-ins supply are not reported as missing.
func checkSettings(source string, lookup func(string) (string, bool)) error {
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
	if isDelivery(source) {
		return checkDeliverySettings(source, lookup, standIns)
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

// checkDeliverySettings is the part of checkSettings for deliveries. standIns are the settings that are supplied.
func checkDeliverySettings(source string, lookup func(string) (string, bool), standIns map[string]string) error {
	given := func(name string) bool {
		v, ok := lookup(name)
		return ok && v != ""
	}
	standIns["SOURCE"] = settings.Deliveries
	switch {
	case given("DELIVERY_LANDING__blobServiceUri"):
		return errors.New("DELIVERY_LANDING__blobServiceUri goes with an identity in Azure; the local run takes a " +
			"connection string, DELIVERY_LANDING")
	case source == fromSFTP && given("DELIVERY_LANDING"):
		return errors.New("DELIVERY_LANDING is set, and -source is " + fromSFTP)
	case source == fromLanding && given("DELIVERY_SFTP_HOST"):
		return errors.New("DELIVERY_SFTP_HOST is set, and -source is " + fromLanding)
	case source == fromLanding && !given("DELIVERY_LANDING"):
		standIns["DELIVERY_LANDING"] = "AccountName=" + azurite.Account + ";AccountKey=" + azurite.Key
	case source == fromSFTP && !given("DELIVERY_SFTP_HOST"):
		for _, s := range settings.Table() {
			if (strings.HasPrefix(s.Name, "DELIVERY_SFTP_") || s.Name == "DELIVERY_FOLDER") && given(s.Name) {
				return errors.New(s.Name + " goes with DELIVERY_SFTP_HOST, which is not set")
			}
		}
		for _, name := range []string{"DELIVERY_SFTP_HOST", "DELIVERY_SFTP_USERNAME", "DELIVERY_SFTP_PASSWORD"} {
			standIns[name] = "stand-in"
		}
	}
	return settings.Check(func(name string) (string, bool) {
		if v, ok := standIns[name]; ok {
			return v, true
		}
		return lookup(name)
	})
}

// pinHostKey returns the settings with the host key of the SFTP server that they name, if they have none and the server
// is on this machine: its key is that which it shows. The key of another server has to be compared first.
func pinHostKey(ctx context.Context, source string, lookup func(string) (string, bool), progress io.Writer) (
	func(string) (string, bool), error) {
	const setting = "DELIVERY_SFTP_HOST_KEYS"
	host, _ := lookup("DELIVERY_SFTP_HOST")
	if keys, _ := lookup(setting); source != fromSFTP || host == "" || keys != "" {
		return lookup, nil
	}
	account := sftpserver.Account{Address: host}
	pin, fingerprint, err := sftpserver.ReadHostKey(ctx, account)
	if err != nil {
		return nil, fmt.Errorf("%s is not set, and the server at DELIVERY_SFTP_HOST shows no key: %w", setting, err)
	}
	name, _, _ := net.SplitHostPort(account.Endpoint())
	if !azure.IsLoopback(name) {
		return nil, fmt.Errorf("%s is not set. The server at DELIVERY_SFTP_HOST shows the key %s.\n"+
			"If its operator states the same fingerprint, set\n%s=%q", setting, fingerprint, setting, pin)
	}
	fmt.Fprintf(progress, "%s is not set: the key of the server on this machine is\naccepted, %s\n",
		setting, fingerprint)
	return func(name string) (string, bool) {
		if name == setting {
			return pin, true
		}
		return lookup(name)
	}, nil
}

// dialTime is how long to wait for a service to accept a connection.
const dialTime = 10 * time.Second

// checkReach returns an error if nothing listens at the address of a service that the environment names instead of its
// stand-in. Without the check a mistyped address would cost minutes, because fetch and import wait for a service that
// is unavailable. The settings must have been checked.
func checkReach(ctx context.Context, source string, lookup func(string) (string, bool)) error {
	var all []error
	for _, service := range []struct{ setting, name, source string }{
		{"TELEMESSAGE_URL", "the TeleMessage site", fromSite}, {"DELIVERY_SFTP_HOST", "the SFTP server", fromSFTP},
		{"GRAPH_URL", "Microsoft Graph", ""}} {
		address, ok := lookup(service.setting)
		if !ok || address == "" || service.source != "" && service.source != source {
			continue
		}
		if service.source == fromSFTP {
			address = "sftp://" + sftpserver.Account{Address: address}.Endpoint()
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
