package funchost

import (
	"io"
	"log"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
)

// QuietLibraries discards what libraries write to standard error on their own, because it may hold received content.
// net/http logs the bytes that a server sends after the end of its response, and with GODEBUG=http2debug=2 whole
// requests; azcore logs every request with AZURE_SDK_GO_LOGGING=all. main calls it first. The handler's own log is not
// affected.
func QuietLibraries() {
	log.SetOutput(io.Discard)
	azlog.SetListener(nil)
}
