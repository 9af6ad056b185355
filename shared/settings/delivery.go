package settings

import (
	"net/url"
	"time"
)

// Delivery is where the vendor delivers, and which of the ZIPs are read: either SFTP or Landing is set.
type Delivery struct {
	SFTP        *SFTP
	Landing     *Landing
	Folder      string // "": the home folder, or the container itself
	StableAfter time.Duration
	From        time.Time // zero: all
	Domains     []string  // of the organization, in lower case; empty: not known
	Imports     Imports
}

// Imports is what the messages of other archives are, which an administrator puts into the folder imports.
type Imports struct {
	Kind         string // "": what a message states
	Network      string // "": what a message states
	NumberHeader string // name of the header field with the number of the archived phone; "": none
}

// SFTP is an SFTP server, and how to sign in to it.
type SFTP struct {
	Host       string // host or host:port
	Username   string
	Password   StoredSecret
	Key        StoredSecret // private keys
	Passphrase StoredSecret // of the private keys
	// ConcurrentReads lets several requests for parts of a file be under way at the same time.
	ConcurrentReads bool
	HostKeys        string // as the setting has them; "": none is pinned yet, and only a check connects
}

// Landing is the storage account of the landing container: one of the two is set.
type Landing struct {
	ConnectionString Secret
	BlobURL          *url.URL
}

// DeliveryConfig reads the settings that begin with DELIVERY or IMPORTS. A store that is missing, incomplete or there
// twice is a mistake that r.Err returns.
func DeliveryConfig(r *Reader) Delivery {
	before := len(r.problems)
	d := Delivery{Folder: r.String(deliveryFolder), StableAfter: r.Duration(stableAfter), From: r.Time(deliveryFrom),
		Domains: r.List(deliveryDomains),
		Imports: Imports{Kind: r.String(importsKind), Network: r.String(importsNetwork),
			NumberHeader: r.String(importsNumberHeader)}}
	server := SFTP{Host: r.String(sftpHost), Username: r.String(sftpUsername),
		Password:   storedSecret(r, sftpPassword, sftpPasswordSecret),
		Key:        storedSecret(r, sftpKey, sftpKeySecret),
		Passphrase: storedSecret(r, sftpPassphrase, sftpPassphraseSecret),
		HostKeys:   r.String(sftpHostKeys), ConcurrentReads: r.Bool(sftpConcurrent)}
	account := Landing{ConnectionString: r.Secret(landing), BlobURL: r.URL(landingBlob)}
	if len(r.problems) > before {
		return d
	}
	connected, addressed := account.ConnectionString.Set(), account.BlobURL != nil
	switch landed := connected || addressed; {
	case server.Host != "" && landed:
		r.fail(lookUp(sftpHost, text), "is set beside "+landing+": leave one of the two stores empty")
	case connected && addressed:
		r.fail(lookUp(landing, secret), "is set beside "+landingBlob+": leave one of the two empty")
	case landed:
		d.Landing = &account
	case server.Host == "":
		r.fail(lookUp(sftpHost, text), "is missing, and so is "+landingBlob+": one of the two names the store")
	default:
		server.check(r)
		d.SFTP = &server
	}
	return d
}

// check reports what is missing for signing in.
func (s *SFTP) check(r *Reader) {
	if s.Username == "" {
		r.fail(lookUp(sftpUsername, text), "is missing beside "+sftpHost)
	}
	switch {
	case !s.Password.Set() && !s.Key.Set():
		r.fail(lookUp(sftpKeySecret, address), "is missing, and so is "+sftpPasswordSecret+
			": the server asks for a key, a password or both; on one machine "+sftpKey+" and "+sftpPassword+
			" can take their places")
	case s.Passphrase.Set() && !s.Key.Set():
		r.fail(lookUp(sftpPassphrase, secret), "is set, and there is no private key")
	}
}
