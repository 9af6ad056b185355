package commands

import (
	"context"
	"errors"
	"fmt"
	"io"

	"o2archiver/handlers/fetch/internal/deliveries"
	"o2archiver/handlers/fetch/internal/sftpserver"
	"o2archiver/shared/archive"
	"o2archiver/shared/arrival"
	"o2archiver/shared/control"
	"o2archiver/shared/source/delivery"
	"o2archiver/shared/source/delivery/sftpstore"
	"o2archiver/shared/vault"
)

// Store is what a check asks of the place to which the vendor delivers: the folder of a server or of the landing
// container, as package arrival describes it.
type Store interface {
	List(ctx context.Context) (arrival.Listing, error)
	Open(ctx context.Context, path string, offset int64) (io.ReadCloser, error)
}

// Server is what a check asks of an SFTP server.
type Server interface {
	SignIn(ctx context.Context) error
	HostKey(ctx context.Context) (sftpstore.HostKey, error)
}

// Place is an SFTP server with its folders, as one check uses it.
type Place struct {
	Server              Server
	Deliveries, Imports Store
	Close               func()
}

// ServerLinks returns the checks of the vault, if inVault says that there is one, of the SFTP server and of the
// archive's storage, for one check. Nothing is known of the server yet. The vault is asked once for both.
func ServerLinks(place Place, inVault bool, store *archive.Store) []Check {
	var links []Check
	signIn := signInOnce(place.Server.SignIn)
	if inVault {
		links = append(links, vaultLink(signIn))
	}
	return append(links, Check{Link: "server", Do: helpServer, Try: func(ctx context.Context) (string, error) {
		defer place.Close()
		if err := signIn(ctx); err != nil {
			_, away := errors.AsType[*vault.Error](err)
			// Any other error than that of a secret is that of a vault that did not answer in time.
			if away || inVault && !errors.Is(err, sftpserver.ErrSecret) {
				return "", fmt.Errorf("%w: the credentials can't be read from the vault", control.ErrNotTried)
			}
			return "", err
		}
		key, err := place.Server.HostKey(ctx)
		if err != nil {
			return "", serverError{err, key}
		}
		found, err := tryFolders(ctx, place.Deliveries, place.Imports)
		return fmt.Sprintf("host key %s %s; %s", key.Algorithm, key.Fingerprint, found), err
	}}, deliveryStorageLink(store))
}

// LandingLinks returns the checks of the landing container and of the archive's storage.
func LandingLinks(folder, imports Store, store *archive.Store) []Check {
	return []Check{
		{Link: "landing", Try: func(ctx context.Context) (string, error) { return tryFolders(ctx, folder, imports) },
			Do: func(err error) string {
				if errors.Is(err, archive.ErrNotFound) {
					return "create the container landing in the account of DELIVERY_LANDING, or correct that setting"
				}
				return control.HelpStorage(err)
			}},
		deliveryStorageLink(store),
	}
}

func deliveryStorageLink(store *archive.Store) Check {
	return storageLink(store, containerCheck{archive.DeliveriesContainer, store.Deliveries().CheckRead},
		containerCheck{archive.DeliveriesContainer, store.Deliveries().CheckWrite},
		containerCheck{archive.StatusContainer, store.Status().CheckWrite})
}

// serverError is the error of a connection, with the key that the server showed, if it did.
type serverError struct {
	inner error
	key   sftpstore.HostKey
}

func (e serverError) Error() string {
	if e.key.Fingerprint == "" {
		return e.inner.Error()
	}
	return fmt.Sprintf("%v; the server showed the host key %s %s", e.inner, e.key.Algorithm, e.key.Fingerprint)
}

func (e serverError) Unwrap() error { return e.inner }

// helpServer returns what helps against an error of the SFTP server.
func helpServer(err error) string {
	shown, _ := errors.AsType[serverError](err)
	switch {
	case errors.Is(err, control.ErrNotTried):
		return "do what helps the vault, and check again"
	case errors.Is(err, sftpstore.ErrHostKey) && shown.key.Pin != "":
		return "ask the server's operator for the fingerprint; only if it is the one shown here, set " +
			"DELIVERY_SFTP_HOST_KEYS to: " + shown.key.Pin
	case errors.Is(err, sftpstore.ErrHostKey):
		return "ask the server's operator for its host key, and set DELIVERY_SFTP_HOST_KEYS"
	case errors.Is(err, sftpstore.ErrCredentials):
		return "compare the user name in the portal (Settings, Source) or in DELIVERY_SFTP_USERNAME; " +
			"ask the operator whether the public key is in place and which methods the server demands; do not try " +
			"often, because the server may lock the account"
	case errors.Is(err, sftpserver.ErrSecret):
		return "store the password, or the private key and its passphrase, again (in the portal: Settings, Source; " +
			"infra/sftp-secret; on one machine the settings DELIVERY_SFTP_…)"
	case errors.Is(err, errImports):
		return "make an empty folder imports in that of the deliveries, which the user may list; " +
			"or, if there is one, let the user list it"
	case errors.Is(err, sftpstore.ErrNotFound), errors.Is(err, sftpstore.ErrDenied):
		return "compare DELIVERY_FOLDER; ask the operator whether the user may list the folder and read its files"
	}
	return "compare DELIVERY_SFTP_HOST; ask the operator whether the server lets the address EGRESS_ADDRESS of this " +
		"deployment in"
}

// errImports is the error of a folder imports that cannot be listed, while that of the deliveries can.
var errImports = errors.New("the folder imports cannot be listed")

// tryFolders tries both folders, and returns what it found. No file of the folder imports is opened.
func tryFolders(ctx context.Context, folder, imports Store) (string, error) {
	found, err := tryFolder(ctx, folder)
	if err != nil {
		return found, err
	}
	listed, err := imports.List(ctx)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errImports, err)
	}
	zips := 0
	for _, f := range listed.Files {
		if delivery.IsZIP(f.Path) {
			zips++
		}
	}
	if zips > 0 {
		found += fmt.Sprintf("; the folder imports has %d ZIPs", zips)
	}
	if n := len(listed.Files) - zips; n > 0 {
		found += fmt.Sprintf("; %d files in the folder imports are no ZIPs and are not read", n)
	}
	if n := (deliveries.Rules{Import: &deliveries.Import{}}).CountNotFiles(listed); n > 0 {
		found += fmt.Sprintf("; %d folders or links in the folder imports are not read", n)
	}
	return found, nil
}

// tryFolder lists the folder and reads one ZIP, the smallest, as far as readOneZIP does, and returns what it found. It
// changes nothing.
func tryFolder(ctx context.Context, folder Store) (string, error) {
	listed, err := folder.List(ctx)
	if err != nil {
		return "", err
	}
	var one arrival.File
	zips, others := 0, ""
	for _, f := range listed.Files {
		if !delivery.IsDelivery(f.Path) {
			continue
		}
		zips++
		if f.Size > 0 && (one.Size == 0 || f.Size < one.Size) {
			one = f
		}
	}
	if n := len(listed.Files) - zips; n > 0 {
		others = fmt.Sprintf("; %d files have other names than the vendor's ZIPs and are not read", n)
	}
	if n := (deliveries.Rules{}).CountNotFiles(listed); n > 0 {
		others += fmt.Sprintf("; %d folders or links are not read", n)
	}
	if one.Size == 0 {
		return "the folder has no ZIP yet" + others, nil
	}
	says, err := readOneZIP(ctx, folder, one)
	if err != nil {
		return "", fmt.Errorf("%d ZIPs are listed, but the smallest cannot be read: %w", zips, err)
	}
	return fmt.Sprintf("%d ZIPs are listed; the smallest %s%s", zips, says, others), nil
}
