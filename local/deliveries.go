package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"o2archiver/local/sample"
	"o2archiver/local/sftpserver"
	"o2archiver/local/vendorday"
	"o2archiver/shared/archive"
	"o2archiver/shared/settings"
	"o2archiver/shared/source/delivery"
)

// The values of -source.
const (
	fromSite    = "telemessage" // the items of the TeleMessage site
	fromSFTP    = "sftp"        // ZIPs on an SFTP server
	fromLanding = "landing"     // ZIPs in a landing container
)

// isDelivery reports whether the items come as ZIPs.
func isDelivery(source string) bool { return source == fromSFTP || source == fromLanding }

// chooseSource returns one of the values of -source: that of the command line, or what the setting SOURCE says.
func chooseSource(flag string, lookup func(string) (string, bool)) (string, error) {
	setting, _ := lookup("SOURCE")
	source := flag
	if source == "" {
		source = setting
	}
	switch source {
	case "":
		source = fromSite
	case settings.Deliveries: // by the setting, or by a Makefile that passes it on
		source = fromSFTP
		if at, _ := lookup("DELIVERY_LANDING"); at != "" {
			source = fromLanding
		}
	case fromSite, fromSFTP, fromLanding:
	default:
		return "", fmt.Errorf("-source is %s, %s or %s", fromSite, fromSFTP, fromLanding)
	}
	fits := settings.Deliveries
	if source == fromSite {
		fits = settings.Telemessage
	}
	if setting != "" && setting != fits && flag != "" {
		return "", fmt.Errorf("-source %s does not go with the setting SOURCE, which is not %s", source, fits)
	}
	return source, nil
}

// startDeliveries makes the ZIPs of the sample day be where the vendor would put them, and adds the settings for fetch.
// A server or container that the environment names is used in place of one of this machine. If it has ZIPs already,
// these are the deliveries, and nothing is written there.
func (w *world) startDeliveries(ctx context.Context, root string, day *sample.Day,
	given func(string) (string, bool), add func(name, value string), progress io.Writer) error {
	add("SOURCE", settings.Deliveries)
	if w.options.source == fromLanding {
		return w.startLanding(ctx, root, day, given, add, progress)
	}
	account, own := sftpserver.Account{}, true
	if _, ok := given("DELIVERY_SFTP_HOST"); ok {
		account, own = givenAccount(given), false
		// On this machine the server's time of a file is that of the upload, which has ended.
		add("DELIVERY_STABLE_AFTER", uploaded)
		if account.Key == "" && account.Password == "" {
			fmt.Fprintln(progress, "The deliveries are those of the SFTP server. Nothing is uploaded: "+
				"its password and key are in a vault.")
			return nil
		}
	} else {
		server, err := w.startServer(ctx, day, progress)
		if err != nil {
			return err
		}
		account = server.Account
		if err := w.nameServer(account, add); err != nil {
			return err
		}
	}
	if !own {
		there, err := sftpserver.List(ctx, account)
		if err != nil {
			return fmt.Errorf("DELIVERY_SFTP_HOST: %w", err)
		}
		n := 0
		for name := range there {
			if delivery.IsDelivery(name) {
				n++
			}
		}
		if n > 0 {
			fmt.Fprintf(progress, "The SFTP server has %d ZIPs: these are read, and nothing is uploaded.\n", n)
			return nil
		}
	}
	zips, err := w.pack(day, progress)
	if err != nil {
		return err
	}
	files := make([]sftpserver.File, 0, len(zips))
	for _, z := range zips {
		files = append(files, sftpserver.File{Name: z.Name, Data: z.Data, ModTime: z.Zipped})
	}
	n, err := sftpserver.Upload(ctx, account, files)
	if err != nil {
		return fmt.Errorf("upload the ZIPs of the sample day: %w", err)
	}
	if !own {
		fmt.Fprintf(progress, "%d ZIPs were uploaded to the SFTP server. They stay there.\n", n)
	}
	return nil
}

// uploaded is the DELIVERY_STABLE_AFTER for files whose time is that of an upload that has ended.
const uploaded = "0s"

// givenAccount returns the account that the environment names.
func givenAccount(given func(string) (string, bool)) sftpserver.Account {
	value := func(name string) string {
		v, _ := given(name)
		return v
	}
	return sftpserver.Account{
		Address: value("DELIVERY_SFTP_HOST"), Username: value("DELIVERY_SFTP_USERNAME"),
		Password: value("DELIVERY_SFTP_PASSWORD"), Key: value("DELIVERY_SFTP_KEY"),
		KeyPassphrase: value("DELIVERY_SFTP_KEY_PASSPHRASE"), HostKeys: value("DELIVERY_SFTP_HOST_KEYS"),
		Folder: value("DELIVERY_FOLDER"),
	}
}

// pack returns the ZIPs of the sample day.
func (w *world) pack(day *sample.Day, progress io.Writer) ([]vendorday.ZIP, error) {
	zips, err := vendorday.Make(day, vendorday.Options{})
	if err == nil {
		w.sampled = true
		fmt.Fprintf(progress, "The sample day: %d messages in %d ZIPs.\n", len(day.Items), len(zips))
	}
	return zips, err
}

// startServer starts an SFTP server. Its folder is in that of -storage, if there is one.
func (w *world) startServer(ctx context.Context, day *sample.Day, progress io.Writer) (*sftpserver.Server, error) {
	dir := filepath.Join(w.options.storage, "sftp")
	if w.options.storage == "" {
		temporary, err := os.MkdirTemp("", "o2archiver-sftp-")
		if err != nil {
			return nil, err
		}
		w.closers = append(w.closers, func() { _ = os.RemoveAll(temporary) })
		dir = temporary
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if w.options.imports {
		if err := writeHistory(dir, day); err != nil {
			return nil, err
		}
	}
	o := sftpserver.Options{Dir: dir, Log: w.log.named("sftp"), Lookup: os.LookupEnv}
	server, err := sftpserver.Start(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, server.Stop)
	fmt.Fprintf(progress, "SFTP server: %s, at %s\n", server.Program, server.Address)
	return server, nil
}

// blobServiceOf returns the address of the blob service that a connection string names.
func blobServiceOf(connection string) string {
	named := map[string]string{"DefaultEndpointsProtocol": "https", "EndpointSuffix": "core.windows.net"}
	for part := range strings.SplitSeq(connection, ";") {
		name, value, _ := strings.Cut(part, "=")
		named[name] = value
	}
	return cmp.Or(named["BlobEndpoint"], named["DefaultEndpointsProtocol"]+"://"+named["AccountName"]+".blob."+
		named["EndpointSuffix"])
}

// startLanding makes the ZIPs be in a landing container, in a storage account of its own.
func (w *world) startLanding(ctx context.Context, root string, day *sample.Day,
	given func(string) (string, bool), add func(name, value string), progress io.Writer) error {
	at, ok := given("DELIVERY_LANDING")
	if !ok {
		if w.azurite == nil {
			if err := w.startAzurite(ctx, root); err != nil {
				return err
			}
		}
		at = w.azurite.For(0).ConnectionString()
		add("DELIVERY_LANDING", at)
	}
	add("DELIVERY_STABLE_AFTER", uploaded)
	w.landing = blobServiceOf(at)
	folder, _ := given("DELIVERY_FOLDER")
	landing, err := archive.OpenLanding(archive.Config{ConnectionString: at}, folder, delivery.IsDelivery)
	if err != nil {
		return fmt.Errorf("DELIVERY_LANDING: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, landingTime)
	defer cancel()
	there, err := landing.List(ctx)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		if err := landing.CreateContainer(ctx); err != nil {
			return err
		}
	case err != nil:
		return fmt.Errorf("DELIVERY_LANDING: %w", err)
	case len(there.Files) > 0:
		fmt.Fprintf(progress, "The landing container has %d ZIPs: these are read, and nothing is uploaded.\n",
			len(there.Files))
		w.sampled = !ok // by an earlier start
		return nil
	}
	zips, err := w.pack(day, progress)
	if err != nil {
		return err
	}
	if w.options.imports {
		data, err := makeHistory(day)
		if err != nil {
			return err
		}
		zips = append(zips, vendorday.ZIP{Name: historyName, Data: data})
	}
	for _, z := range zips {
		if err := landing.Put(ctx, z.Name, bytes.NewReader(z.Data)); err != nil {
			return fmt.Errorf("put the ZIPs of the sample day into the landing container: %w", err)
		}
	}
	return nil
}

// landingTime is the limit of time for filling the landing container.
const landingTime = 2 * time.Minute

// openDeliveryError returns why deliveries are not finished after a fetch that was a success to the host.
func (w *world) openDeliveryError(ctx context.Context) error {
	var state struct {
		Open []struct {
			Failed string `json:"failed"`
		} `json:"open"`
		Seen []struct{} `json:"seen"`
	}
	_, err := w.store.Checkpoints().Get(ctx, "delivery.json", &state)
	switch {
	case errors.Is(err, archive.ErrNotFound):
		return errors.New("fetch did not look for deliveries")
	case err != nil:
		return fmt.Errorf("read the state of the deliveries: %w", err)
	}
	for _, z := range state.Open {
		if z.Failed != "" {
			return fmt.Errorf("fetch did not finish, %d ZIPs stay open: %s", len(state.Open), z.Failed)
		}
	}
	if n := len(state.Seen); n > 0 {
		return fmt.Errorf("ZIPs that may still be uploaded: %d; they are read when they are older than "+
			"DELIVERY_STABLE_AFTER", n)
	}
	return nil
}
