package settings

import "net/url"

// SetUp is what the deployment gives to the pages on which an administrator sets the connector up, beside the settings
// that can be changed there.
type SetUp struct {
	Source string   // SOURCE
	Site   *url.URL // of the TeleMessage site; nil with another source, or if it is missing
	Region string   // DEFAULT_REGION

	// Where the secrets are kept in Key Vault; nil if the deployment has no place for one.
	Password       *url.URL // at the TeleMessage site
	SFTPPassword   *url.URL
	SFTPKey        *url.URL
	SFTPPassphrase *url.URL // of the key

	Landing *url.URL // the account of the landing container; nil if deliveries come by an SFTP server
}

// SetUpConfig reads the settings that the pages for setting up need.
func SetUpConfig(r *Reader) SetUp {
	s := SetUp{Source: r.String(source), Region: r.String(defaultRegion)}
	switch s.Source {
	case Telemessage:
		s.Site, s.Password = r.URL(siteURL), r.URL(sitePasswordSecret)
	case Deliveries:
		s.SFTPPassword, s.SFTPKey = r.URL(sftpPasswordSecret), r.URL(sftpKeySecret)
		s.SFTPPassphrase, s.Landing = r.URL(sftpPassphraseSecret), r.URL(landingBlob)
	}
	return s
}

// setUpNames returns the names of the settings that the pages for setting up read: those of SetUpConfig, and those that
// can be changed.
func setUpNames() []string {
	return append(Changeable(), source, defaultRegion, siteURL, sitePasswordSecret, sftpPasswordSecret, sftpKeySecret,
		sftpPassphraseSecret, landingBlob)
}
