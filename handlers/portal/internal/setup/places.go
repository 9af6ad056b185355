package setup

import (
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"o2archiver/shared/vault"
)

// OpenVault sets the places of the secrets to those in Key Vault that the deployment has. It makes no request.
func (o *Options) OpenVault(credential azcore.TokenCredential) error {
	for _, each := range []struct {
		thing, setting string
		address        *url.URL
		to             *Secret
	}{
		{"password", "TELEMESSAGE_PASSWORD_SECRET", o.Deployed.Password, &o.Password},
		{"password", "DELIVERY_SFTP_PASSWORD_SECRET", o.Deployed.SFTPPassword, &o.SFTPPassword},
		{"private key", "DELIVERY_SFTP_KEY_SECRET", o.Deployed.SFTPKey, &o.SFTPKey},
		{"passphrase", "DELIVERY_SFTP_KEY_PASSPHRASE_SECRET", o.Deployed.SFTPPassphrase, &o.SFTPPassphrase},
	} {
		if each.address == nil {
			continue
		}
		w, err := vault.OpenWriter(vault.Config{Address: each.address, Credential: credential, Thing: each.thing,
			Setting: each.setting})
		if err != nil {
			return err
		}
		*each.to = w
	}
	return nil
}
