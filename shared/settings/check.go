package settings

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"o2archiver/shared/azure"
	"o2archiver/shared/record"
)

const label = `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`

var (
	idForm     = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	domainForm = regexp.MustCompile(`^(` + label + `\.)+` + label + `$`)
	classForm  = regexp.MustCompile(`(?i)^IPM\.(Note|ExternalData\.[a-z0-9_-]+)(\.[a-z0-9_-]+)*$`)

	// Key Vault, objects, identifiers and versioning: names of vaults and of secrets.
	vaultForm   = regexp.MustCompile(`^[a-z][a-z0-9-]{1,22}[a-z0-9]$`)
	secretForm  = regexp.MustCompile(`^/secrets/[0-9A-Za-z-]{1,127}$`)
	versionForm = regexp.MustCompile(`^/secrets/[0-9A-Za-z-]{1,127}/[^/]+$`)
)

// These checks describe mistakes in their own words, because an error of a parser may quote the value.

// checkUserName accepts a user name for HTTP Basic authentication.
func checkUserName(v string) (string, error) {
	if strings.Contains(v, ":") { // RFC 7617 section 2: a colon would end the user name
		return "", errors.New("holds a colon, which HTTP Basic authentication can't carry")
	}
	return checkPassword(v)
}

// checkPassword accepts valid UTF-8 without control characters: RFC 7617 section 2 allows none in a password.
func checkPassword(v string) (string, error) {
	if !utf8.ValidString(v) || strings.ContainsFunc(v, unicode.IsControl) {
		return "", errors.New("holds a control character, perhaps a line break at its end")
	}
	return v, nil
}

// checkConnection accepts the connection string of the archive's account.
func checkConnection(v string) (string, error) {
	return parseConnection(v, "blobendpoint", "tableendpoint")
}

// checkBlobConnection accepts the connection string of an account of which only the Blob service is used.
func checkBlobConnection(v string) (string, error) { return parseConnection(v, "blobendpoint") }

// parseConnection finds mistakes that azblob and aztables would report with the connection string itself in the error.
// Without https, the endpoints of the services have to be there.
func parseConnection(v string, services ...string) (string, error) {
	v = strings.TrimSpace(v)
	has, plain := map[string]bool{}, false
	for part := range strings.SplitSeq(strings.TrimSuffix(v, ";"), ";") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return "", errors.New("has a part that is not name=value")
		}
		key = strings.ToLower(strings.TrimSpace(key))
		has[key] = true
		if strings.HasSuffix(key, "endpoint") {
			if _, err := parseURL(value); err != nil {
				return "", fmt.Errorf("has an endpoint that %w", err)
			}
		}
		plain = plain || key == "defaultendpointsprotocol" && !strings.EqualFold(value, "https")
	}
	switch {
	case has["usedevelopmentstorage"]:
		return "", errors.New("is the short form for Azurite, which the storage client doesn't know")
	case has["sharedaccesssignature"]:
		// The ledger and the leases need more rights than a signature usually has, and a signature expires.
		return "", errors.New("has a shared access signature where the account's key is needed")
	case !has["accountname"] || !has["accountkey"]:
		return "", errors.New("has no AccountName or no AccountKey")
	case plain && slices.ContainsFunc(services, func(service string) bool { return !has[service] }):
		return "", errors.New("asks for http where https is needed")
	}
	return v, nil
}

// checkSource accepts the name of a source of items, in any case.
func checkSource(v string) (string, error) {
	if v = strings.ToLower(v); v != Telemessage && v != Deliveries {
		return "", errors.New("is the name of no source")
	}
	return v, nil
}

// checkHost accepts host or host:port.
func checkHost(v string) (string, error) {
	if strings.Contains(v, "://") {
		return "", errors.New("begins with a scheme, which a host does not have")
	}
	u, err := url.Parse("sftp://" + v)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(v, "\\#?, ") {
		return "", errors.New("is no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", errors.New("has a bad port")
		}
	}
	return v, nil
}

// checkPrivateKey accepts a text that may hold private keys. What parses them reports what is wrong with them.
func checkPrivateKey(v string) (string, error) {
	switch text := strings.TrimSpace(v); {
	case strings.HasPrefix(text, "ssh-") || strings.HasPrefix(text, "ecdsa-"):
		return "", errors.New("is a public key; the private one is needed")
	case strings.HasPrefix(text, "PuTTY-User-Key-File"):
		return "", errors.New("is a key in PuTTY's form; export it in OpenSSH's (puttygen, Conversions)")
	case strings.Contains(text, "-----BEGIN ENCRYPTED PRIVATE KEY-----"):
		return "", errors.New("is encrypted in the form PKCS #8; convert it with ssh-keygen -p -f FILE")
	case !strings.Contains(text, "-----BEGIN ") || len(v) > 24<<10:
		return "", errors.New("does not have the line -----BEGIN of a private key")
	}
	return v, nil
}

// checkHostKeys accepts a list of algorithms and keys. What parses the keys reports what is wrong with them.
func checkHostKeys(v string) (string, error) {
	for entry := range strings.SplitSeq(v, ",") {
		fields := strings.Fields(entry)
		if len(fields) == 1 && strings.HasPrefix(fields[0], "SHA256:") {
			return "", errors.New("is a fingerprint; the whole key is needed")
		}
		if len(fields) != 0 && len(fields) != 2 {
			return "", errors.New("has a part that is not an algorithm and a key, separated by a blank")
		}
	}
	return v, nil
}

// checkDeliveryFolder accepts the path of a folder.
func checkDeliveryFolder(v string) (string, error) {
	if !utf8.ValidString(v) || len(v) > 1024 || strings.ContainsFunc(v, unicode.IsControl) || strings.Contains(v, `\`) {
		return "", errors.New("is no path of a folder; its parts are separated by /")
	}
	return v, nil
}

// IsID reports whether a text has the form of an id of Entra ID, such as a tenant's, a client's or a person's: a GUID,
// in lower or upper case.
func IsID(text string) bool { return idForm.MatchString(text) }

// checkID accepts such an id and returns it in lower case.
func checkID(v string) (string, error) {
	if !IsID(v) {
		return "", errors.New("is no id")
	}
	return strings.ToLower(v), nil
}

// checkCloud accepts the name or alias of a cloud and returns its name.
func checkCloud(v string) (string, error) {
	for _, c := range allClouds() {
		if strings.EqualFold(v, c.name) || c.alias != "" && strings.EqualFold(v, c.alias) {
			return c.name, nil
		}
	}
	return "", errors.New("is not the name of a known cloud")
}

// checkBody accepts text or html and returns it in lower case.
func checkBody(v string) (string, error) {
	if v = strings.ToLower(v); v != "text" && v != "html" {
		return "", errors.New("is neither of the two forms")
	}
	return v, nil
}

// checkGraphURL accepts a host of Microsoft Graph or of this machine. The host receives a token that can write into
// mailboxes, so no other is allowed.
func checkGraphURL(u *url.URL) error {
	known := slices.ContainsFunc(allClouds(), func(c cloud) bool {
		return record.EqualFoldASCII("https://"+u.Hostname(), c.graph)
	})
	if !known && !azure.IsLoopback(u.Hostname()) {
		return errors.New("is the address of no cloud's Microsoft Graph")
	}
	return nil
}

// checkSecretURL accepts the address of a secret in a Key Vault of one of the clouds, or on this machine. The host
// receives a token that opens the vault, so no other is allowed. A version is refused: a changed password is a new
// version of the secret, and would never be read.
func checkSecretURL(u *url.URL) error {
	host := record.LowerASCII(u.Hostname())
	vault, domain, _ := strings.Cut(host, ".")
	known := vaultForm.MatchString(vault) && slices.ContainsFunc(allClouds(), func(c cloud) bool {
		return domain == c.vault
	})
	path := u.EscapedPath()
	switch {
	case u.Scheme != "https":
		return errors.New("is not encrypted: Key Vault is called by https, on this machine too")
	case !known && !azure.IsLoopback(host):
		return errors.New("is the address of no cloud's Key Vault")
	case known && u.Port() != "" && u.Port() != "443":
		return errors.New("has a port that Key Vault does not have")
	case versionForm.MatchString(path):
		return errors.New("names a version of the secret, so that a changed password would never be read")
	case !secretForm.MatchString(path):
		return errors.New("does not end with /secrets/ and the secret's name")
	}
	return nil
}

// checkRegion accepts a country and returns its two-letter ISO 3166 code.
func checkRegion(v string) (string, error) {
	region, err := language.ParseRegion(v)
	if err == nil {
		region = region.Canonicalize() // UK is a common mistake for GB
	}
	if err != nil || !region.IsCountry() || len(region.String()) != 2 {
		return "", errors.New("is no country")
	}
	return region.String(), nil
}

// checkDomain accepts a domain name and returns it in lower case.
func checkDomain(v string) (string, error) {
	v = record.LowerASCII(v)
	if len(v) > 253 || !domainForm.MatchString(v) {
		return "", errors.New("is no domain")
	}
	return v, nil
}

// checkFolder accepts the name of a mailbox folder.
func checkFolder(v string) (string, error) {
	if !utf8.ValidString(v) || utf8.RuneCountInString(v) > 255 || strings.ContainsFunc(v, unicode.IsControl) {
		return "", errors.New("is no name of a folder")
	}
	return v, nil
}

// checkClass restricts the class to those that mail clients show and Purview indexes. MS-OXCMSG section 2.2.1.3
// (PidTagMessageClass): ASCII, at most 255 characters, periods only between words.
func checkClass(v string) (string, error) {
	if len(v) > 255 || !classForm.MatchString(v) {
		return "", errors.New("is no class that can be imported as")
	}
	return v, nil
}

var errUnit = errors.New("has no unit")

// parseBytes parses a size with its unit. It returns errUnit if there is no unit, or an unknown one.
func parseBytes(v string) (int64, error) {
	digits := strings.TrimRight(v, " kKMmiIbB")
	unit := strings.ToLower(strings.TrimSpace(v[len(digits):]))
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil {
		return 0, err
	}
	factor, ok := map[string]int64{"kb": 1000, "mb": 1000 * 1000, "kib": 1 << 10, "mib": 1 << 20}[unit]
	if !ok {
		return 0, errUnit
	}
	return n * factor, nil
}

// parseURL accepts https, and http for this machine. Its errors never contain the address, which may have a password
// in it.
func parseURL(v string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(v, "/"))
	switch {
	case err != nil:
		return nil, errors.New("is no address")
	case u.Hostname() == "" || u.Opaque != "":
		return nil, errors.New("has no host")
	case u.User != nil:
		return nil, errors.New("holds a user name")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(v, "#"):
		return nil, errors.New("holds a query or a fragment")
	case u.Scheme == "http" && !azure.IsLoopback(u.Hostname()):
		return nil, errors.New("is not encrypted: http is accepted on this machine only")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("does not begin with https://")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, errors.New("has a bad port")
		}
	}
	return u, nil
}

func checkSignIn(v string) (string, error) {
	switch v = record.LowerASCII(v); v {
	case "platform", "deployment", "local":
		return v, nil
	}
	return "", errors.New("is none of them")
}
