// Package sources builds, for each source of items that the settings can name, the engine that gets them, what carries
// out the administrator's commands, and the checks of what both need.
package sources

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"o2archiver/handlers/fetch/internal/commands"
	"o2archiver/shared/archive"
	"o2archiver/shared/control"
	"o2archiver/shared/status"
)

// Services are what every source needs.
type Services struct {
	Store      *archive.Store
	Credential azcore.TokenCredential
	HTTP       http.RoundTripper
	Pause      *control.Pause
	Status     *status.Writer // nil: nothing is shown of the work
	Now        func() time.Time
}

// Source is what the functions of the app work with.
type Source struct {
	// Fetch implements the function fetch. id is the invocation's, input what an administrator sends along.
	Fetch  func(ctx context.Context, id, input string, log *slog.Logger) (any, error)
	Intake commands.Intake
	Links  func() []commands.Check // of one check
}
