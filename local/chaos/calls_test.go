package chaos

import (
	"net"
	"net/http"
	"strings"
)

// siteCall returns which call to the site it is: items, count or content.
func siteCall(r *http.Request) string {
	switch {
	case strings.HasSuffix(r.URL.Path, "/items"):
		return "items"
	case strings.HasSuffix(r.URL.Path, "/count"):
		return "count"
	}
	return "content"
}

// blobCall is the operation and the container, e.g. "PUT lease checkpoints".
func blobCall(r *http.Request) string {
	path := strings.Trim(r.URL.Path, "/")
	if host, _, err := net.SplitHostPort(r.Host); err == nil && net.ParseIP(host) != nil {
		_, path, _ = strings.Cut(path, "/") // Azurite has the account there
	}
	container, _, _ := strings.Cut(path, "/")
	words := []string{r.Method, r.URL.Query().Get("comp"), container}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

func tableCall(r *http.Request) string { return r.Method }

// graphCall is what the call does.
func graphCall(r *http.Request) string {
	path := strings.Trim(r.URL.Path, "/")
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case last == "$batch", last == "createUploadSession", last == "messages", last == "mailFolders",
		last == "attachments":
		return r.Method + " " + last
	case r.Method == http.MethodPut:
		return "PUT part"
	case strings.Contains(path, "/messages/"):
		return r.Method + " message"
	case strings.Contains(path, "/mailFolders/"):
		return r.Method + " folder"
	}
	return r.Method + " other"
}
