package settings

import "time"

// formOfSecretURL is the form of each setting that names a secret of the source.
const formOfSecretURL = "the https address of a secret in a Key Vault of one of the clouds, or on this machine, " +
	"without a version"

// sourceSettings returns the rows of the source of the items.
func sourceSettings() []Setting {
	fetch, shown := []string{Fetch}, []string{Fetch, Portal}
	return []Setting{
		{
			Name: source, Default: Telemessage, Apps: []string{Fetch, Portal}, kind: text, check: checkSource,
			Form:    "telemessage or delivery",
			Example: "delivery",
			Meaning: "where the items come from: `telemessage` pulls them from the TeleMessage site " +
				"(docs/source-contract.md), `delivery` reads the ZIPs that the vendor pushes to an SFTP server or a " +
				"landing container (docs/delivery.md)",
		},
		{
			Name: siteURL, Required: true, Source: Telemessage, Apps: shown, kind: address,
			Form:    "an https address without user name, query or fragment",
			Example: "https://rest.telemessage.example",
			Meaning: "the TeleMessage site; only its origin is ever called",
		},
		{
			Name: "TELEMESSAGE_USERNAME", Required: true, Source: Telemessage, Apps: shown, kind: text,
			Changeable: true,
			check:      checkUserName,
			Form:       "the user name, without a colon",
			Example:    "archive-contoso",
			Meaning:    "the user name at the TeleMessage site",
		},
		{
			Name: sitePassword, Source: Telemessage, Apps: fetch, kind: secret, check: checkPassword,
			Form:    "the password as it is, without control characters",
			Example: "correct-horse-battery-staple",
			Meaning: "the password at the TeleMessage site; for one machine only. In Azure use `" +
				sitePasswordSecret + "`",
		},
		{
			Name: sitePasswordSecret, Source: Telemessage, Apps: shown, kind: address, checkURL: checkSecretURL,
			Form:    formOfSecretURL,
			Example: "https://contoso-fetch.vault.azure.net/secrets/telemessage-password",
			Meaning: "the secret in Key Vault that holds the password at the TeleMessage site. Its latest version is " +
				"read at the start of each run, and once more if the site refuses the password",
		},
		{
			Name: "FETCH_FROM", Source: Telemessage, Apps: shown, kind: timestamp,
			Changeable: true,
			derived:    "24 hours before the first run",
			Form:       "a date or a time of RFC 3339, not before the year 2000",
			Example:    "2026-11-01",
			Meaning: "the start of the time range that the very first run fetches; later runs continue where the " +
				"last one ended. A date means 00:00 UTC",
		},
		{
			Name: sftpHost, Source: Deliveries, Apps: shown, kind: text, check: checkHost,
			Changeable: true,
			Form:       "host or host:port",
			Example:    "sftp.contoso.com",
			Meaning: "the SFTP server to which the vendor delivers; leave it empty if `" + landing + "` or `" +
				landingBlob + "` is set",
		},
		{
			Name: sftpUsername, Source: Deliveries, Apps: shown, kind: text, check: checkPassword,
			Changeable: true,
			Form:       "the user name",
			Example:    "o2-archive",
			Meaning:    "the user name at the SFTP server",
		},
		{
			Name: sftpPassword, Source: Deliveries, Apps: fetch, kind: secret, check: checkPassword,
			Form:    "the password as it is, without control characters",
			Example: "correct-horse-battery-staple",
			Meaning: "the password at the SFTP server, also for keyboard-interactive; for one machine only. " +
				"In Azure use `" + sftpPasswordSecret + "`",
		},
		{
			Name: sftpPasswordSecret, Source: Deliveries, Apps: shown, kind: address, checkURL: checkSecretURL,
			Form:    formOfSecretURL,
			Example: "https://contoso-fetch.vault.azure.net/secrets/sftp-password",
			Meaning: "the secret in Key Vault that holds the password at the SFTP server. Its latest version is read " +
				"at the start of each run, and once more if the server refuses it",
		},
		{
			Name: sftpKey, Source: Deliveries, Apps: fetch, kind: secret, check: checkPrivateKey,
			Form:    "a private key in OpenSSH's form or PEM, with its lines",
			Example: "-----BEGIN OPENSSH PRIVATE KEY-----",
			Meaning: "the private key for the SFTP server; during a change of keys, two of them, one after the " +
				"other. For one machine only. In Azure use `" + sftpKeySecret + "`",
		},
		{
			Name: sftpKeySecret, Source: Deliveries, Apps: shown, kind: address, checkURL: checkSecretURL,
			Form:    formOfSecretURL,
			Example: "https://contoso-fetch.vault.azure.net/secrets/sftp-key",
			Meaning: "the secret in Key Vault that holds the private key, read as `" + sftpPasswordSecret + "` is",
		},
		{
			Name: sftpPassphrase, Source: Deliveries, Apps: fetch, kind: secret, check: checkPassword,
			Form:    "the passphrase as it is, without control characters",
			Example: "correct-horse-battery-staple",
			Meaning: "the passphrase of an encrypted private key; for one machine only. In Azure use `" +
				sftpPassphraseSecret + "`",
		},
		{
			Name: sftpPassphraseSecret, Source: Deliveries, Apps: shown, kind: address, checkURL: checkSecretURL,
			Form:    formOfSecretURL,
			Example: "https://contoso-fetch.vault.azure.net/secrets/sftp-key-passphrase",
			Meaning: "the secret in Key Vault that holds the passphrase, read as `" + sftpPasswordSecret + "` is",
		},
		{
			Name: sftpHostKeys, Source: Deliveries, Apps: shown, kind: text, check: checkHostKeys,
			Changeable: true,
			Form: "algorithm and key in base64, as in the second and third field of known_hosts; several " +
				"are separated by commas",
			Example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIwJ3yFgiDYwdLy0sRuXbZ7r0fQ4wzWl8fXn3yDYn1ea",
			Meaning: "the keys by which the SFTP server is recognized, at most 16. Without one nothing is read; the " +
				"command `check` shows the server's key",
		},
		{
			Name: sftpConcurrent, Source: Deliveries, Apps: fetch, Default: "false", kind: boolean,
			Form:    "true or false",
			Example: "true",
			Meaning: "whether several requests for parts of a ZIP are under way at the same time, which is faster on " +
				"a long line. Some servers hand a file out in order and once, as a message of a queue: they refuse " +
				"it, or lose the file",
		},
		{
			Name: landing, Source: Deliveries, Apps: fetch, kind: secret, check: checkBlobConnection,
			Form:    "a connection string, spelt out",
			Example: "DefaultEndpointsProtocol=https;AccountName=contosolanding;AccountKey=bm90LWEta2V5",
			Meaning: "the storage account of the landing container, with its key; for one machine only. " +
				"In Azure use `" + landingBlob + "`",
		},
		{
			Name: landingBlob, Source: Deliveries, Apps: shown, kind: address,
			Form:    "an https address without user name, query or fragment",
			Example: "https://contosolanding.blob.core.windows.net",
			Meaning: "the Blob service of the landing container's storage account, used with the app's own identity",
		},
		{
			Name: deliveryFolder, Source: Deliveries, Apps: shown, kind: text, check: checkDeliveryFolder,
			Changeable: true,
			derived:    "the home folder, or the container itself",
			Form:       "the path of a folder",
			Example:    "o2/outgoing",
			Meaning:    "the folder with the ZIPs, on the SFTP server or in the landing container",
		},
		{
			Name: stableAfter, Source: Deliveries, Apps: fetch, Default: "10m", kind: duration,
			min: 0, max: int64(24 * time.Hour),
			Form:    "a duration from 0s to 24h",
			Example: "10m",
			Meaning: "how long a ZIP has to be unchanged before it is read at its first listing; one that is listed " +
				"twice unchanged, a minute apart, is read earlier",
		},
		{
			Name: deliveryFrom, Source: Deliveries, Apps: shown, kind: timestamp, derived: "all",
			Changeable: true,
			Form:       "a date or a time of RFC 3339, not before the year 2000",
			Example:    "2026-11-01",
			Meaning:    "ZIPs that are named for days before are ignored",
		},
		{
			Name: deliveryDomains, Source: Deliveries, Apps: fetch, kind: list, check: checkDomain,
			derived: "not known: every address is kept",
			Form:    "domains, separated by commas",
			Example: "contoso.com, contoso.co.uk",
			Meaning: "all e-mail domains of the organization, each subdomain too, for ZIPs of the vendor that come " +
				"from now on. An address of another domain may be made up: it becomes part of the name, and no " +
				"mailbox is looked up by it. So a domain that is missing here takes automatic mapping by their " +
				"addresses from its people, whatever `ACCEPTED_DOMAINS` has (docs/delivery.md)",
		},
		{
			Name: importsKind, Source: Deliveries, Apps: fetch, kind: text, check: checkImportKind,
			derived: "what a message states, else `MESSAGE`",
			Form: "SMS, MMS, CALL_LOG, CALL_AUDIO or another word of up to 40 letters, digits, blanks, " +
				"- and _, but not SYSTEM",
			Example: "SMS",
			Meaning: "the kind of the messages of other archives, for ZIPs that come into the folder `imports` from " +
				"now on (docs/delivery.md)",
		},
		{
			Name: importsNetwork, Source: Deliveries, Apps: fetch, kind: text, check: checkImportNetwork,
			derived: "what a message states",
			Form:    "up to 40 characters, none of them a control character",
			Example: "Contoso Mobile",
			Meaning: "the network of these messages",
		},
		{
			Name: importsNumberHeader, Source: Deliveries, Apps: fetch, kind: text, check: checkHeaderName,
			derived: "none",
			Form:    "the name of a header field, of up to 100 printable characters of ASCII without blanks and colons",
			Example: "X-Contoso-Number",
			Meaning: "the header field with the number of the archived phone, by which the CSV file finds its mailbox",
		},
	}
}
