package funchost

import (
	"io"
	"log"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
)

// QuietLibraries takes from libraries what they write to standard error by themselves, for it holds what was received. net/http,
// for one, prints the bytes that a server sends behind the end of its answer through package log, and GODEBUG=http2debug=2 whole
// requests; AZURE_SDK_GO_LOGGING=all lets azcore print each of its own. main calls it first; the handler's own log is not affected.
func QuietLibraries() {
	log.SetOutput(io.Discard)
	azlog.SetListener(nil)
}
