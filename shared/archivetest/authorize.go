package archivetest

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	errHTTPSOnly      = refused(400, "AccountRequiresHttps", "The account being accessed does not support http.")
	errNoAuthenticity = refused(401, "NoAuthenticationInformation",
		"Server failed to authenticate the request. Please refer to the information in the www-authenticate header.")
	errBadAuthenticity = refused(400, "InvalidAuthenticationInfo",
		"Authentication information is not given in the correct format. Check the value of Authorization header.")
	errSignature = refused(403, "AuthenticationFailed",
		"Server failed to authenticate the request. Make sure the value of "+
			"Authorization header is formed correctly including the signature.")
)

// authorize checks a request's signature, or that it has a token. Authorize with Shared Key; authorize with Microsoft
// Entra ID. The service accepts a request for 15 minutes; its age is not checked here, because a test's clock may be in
// another year.
func authorize(q *request, inTable bool) error {
	if q.url.Scheme != "https" {
		return errHTTPSOnly // Require secure transfer: enabled by default for an account
	}
	scheme, rest, _ := strings.Cut(q.header.Get("Authorization"), " ")
	switch scheme {
	case "":
		return errNoAuthenticity
	case "Bearer":
		if strings.TrimSpace(rest) == "" {
			return errBadAuthenticity
		}
		return nil
	case "SharedKey", "SharedKeyLite":
	default:
		return errBadAuthenticity
	}
	account, signature, ok := strings.Cut(rest, ":")
	if !ok || q.header.Get("X-Ms-Date") == "" {
		return errSignature
	}
	var text string
	switch {
	case inTable && scheme == "SharedKeyLite":
		text = q.header.Get("X-Ms-Date") + "\n" + q.canonicalTable()
	case !inTable && scheme == "SharedKey":
		text = q.stringToSign()
	default:
		return unimplemented("authorization with %s", scheme)
	}
	key, _ := base64.StdEncoding.DecodeString(Key) // a constant
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	if account != Account || signature != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		return errSignature
	}
	return nil
}

// canonicalTable returns the canonicalized resource of a Table request for Shared Key Lite.
func (q *request) canonicalTable() string {
	resource := "/" + Account + cmp.Or(q.url.EscapedPath(), "/")
	if q.query.Has("comp") {
		resource += "?comp=" + q.query.Get("comp")
	}
	return resource
}

// stringToSign returns the string that Shared Key signs for a Blob request.
func (q *request) stringToSign() string {
	length := ""
	if q.length > 0 { // since 2015-02-21 a length of zero is signed as an empty string
		length = strconv.FormatInt(q.length, 10)
	}
	lines := []string{q.method, q.header.Get("Content-Encoding"), q.header.Get("Content-Language"), length}
	for _, name := range []string{"Content-Md5", "Content-Type", "Date", "If-Modified-Since", "If-Match",
		"If-None-Match", "If-Unmodified-Since",
		"Range"} {
		lines = append(lines, q.header.Get(name))
	}
	lines[6] = "" // x-ms-date replaces Date
	var names []string
	for name := range q.header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-ms-") {
			names = append(names, name)
		}
	}
	// The service sorts by a culture that ignores hyphens.
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ReplaceAll(a, "-", ""), strings.ReplaceAll(b, "-", "")), cmp.Compare(a, b))
	})
	for _, name := range names {
		lines = append(lines, name+":"+strings.Join(q.header[http.CanonicalHeaderKey(name)], ","))
	}
	lines = append(lines, "/"+Account+cmp.Or(q.url.EscapedPath(), "/"))
	var parameters []string
	for name, values := range q.query {
		slices.Sort(values)
		parameters = append(parameters, strings.ToLower(name)+":"+strings.Join(values, ","))
	}
	slices.Sort(parameters)
	return strings.Join(append(lines, parameters...), "\n")
}

var versionForm = regexp.MustCompile(`^20\d\d-\d\d-\d\d$`)

// checkVersion checks x-ms-version. Versioning for Azure Storage: an authorized request must specify it. Services
// accept tokens since 2017-11-09; earlier versions are not implemented.
func checkVersion(q *request) error {
	version := q.header.Get("X-Ms-Version")
	switch {
	case version == "":
		return errMissingHeader
	case !versionForm.MatchString(version):
		return errHeaderValue
	case version < "2017-11-09":
		return unimplemented("version %s of the service", version)
	}
	return nil
}
