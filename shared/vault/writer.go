package vault

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"o2archiver/shared/settings"
)

// Writer stores new versions of one secret, and cannot read it. It is safe for concurrent use.
type Writer struct{ secret *Secret }

// OpenWriter returns a Writer for a configuration, whose Now and Parse are not used. It makes no request. Its errors do
// not repeat the address.
func OpenWriter(c Config) (*Writer, error) {
	s, err := Open(c)
	if err != nil {
		return nil, err
	}
	s.storing = true
	return &Writer{s}, nil
}

// Store stores a value as the secret's new, enabled version without dates. While the vault is unavailable it retries,
// until ctx ends or for little more than a minute in all; a value that is stored twice is two versions with the same
// content. Its errors are an *Error or ctx's cause, and have nothing of the value.
func (w *Writer) Store(ctx context.Context, value settings.Secret) error {
	bounded, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	_, err := w.secret.client.SetSecret(bounded, w.secret.name, azsecrets.SetSecretParameters{
		Value: to.Ptr(value.Reveal()), ContentType: to.Ptr("text/plain"),
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(true)},
	}, nil)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return w.secret.explainError(err)
}
