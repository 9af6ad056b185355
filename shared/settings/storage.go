package settings

import (
	"net/url"
)

// Storage is the address of the archive: either ConnectionString is set, or BlobURL and TableURL are.
type Storage struct {
	ConnectionString Secret
	BlobURL          *url.URL
	TableURL         *url.URL
	ClientID         string // of a user-assigned managed identity; "" means the app's own identity
}

// StorageConfig reads the settings that begin with ARCHIVE_STORAGE. They have two forms: a connection string, or the
// addresses of the services. Neither of them, half of the second, or both together is a mistake that r.Err returns.
func StorageConfig(r *Reader) Storage {
	before := len(r.problems)
	s := Storage{
		ConnectionString: r.Secret(storage),
		BlobURL:          r.URL(storageBlob),
		TableURL:         r.URL(storageTable),
		ClientID:         r.String(storageClient),
	}
	if len(r.problems) > before {
		return s
	}
	switch connected, blob, table := s.ConnectionString.Set(), s.BlobURL != nil, s.TableURL != nil; {
	case connected && (blob || table):
		// The Functions host would use one account and the handlers the other.
		r.fail(lookUp(storage, secret), "is set beside "+storageBlob+" or "+storageTable+": leave one form empty")
	case connected || blob && table:
	case blob:
		r.fail(lookUp(storageTable, address), "is missing beside "+storageBlob)
	case table:
		r.fail(lookUp(storageBlob, address), "is missing beside "+storageTable)
	default:
		r.fail(lookUp(storageBlob, address), "is missing, and so is "+storageTable+
			"; on one machine "+storage+" can take the place of both")
	}
	return s
}
