// Sign-in to the portal: App Service Authentication with Microsoft Entra ID. infra/portal-app deploys this file by itself too, as soon as it has
// made the registration.

@description('The function app of the portal.')
param app string

@description('Client id of the registration that infra/portal-app makes. Empty: there is none yet, and the page is closed to everyone.')
param clientId string

@description('With what the app proves to Entra ID that it is this registration: identity, its managed identity, which the registration trusts; or secret, a client secret in Key Vault.')
@allowed(['identity', 'secret'])
param credential string

var registered = !empty(clientId)

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: app
}

resource signIn 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: true, runtimeVersion: '~1' }
    // No path is left out, the assets of the page neither: each would be a way past the sign-in.
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: registered ? 'RedirectToLoginPage' : 'Return403'
      redirectToProvider: registered ? 'azureactivedirectory' : null
    }
    httpSettings: { requireHttps: true, routes: { apiPrefix: '/.auth' }, forwardProxy: { convention: 'NoProxy' } }
    identityProviders: {
      azureActiveDirectory: registered
        ? {
            enabled: true
            registration: {
              openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
              clientId: clientId
              // The first is a name that the platform knows: it signs in with the identity whose client id the setting holds.
              clientSecretSettingName: credential == 'identity'
                ? 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
                : 'MICROSOFT_PROVIDER_AUTHENTICATION_SECRET'
            }
            validation: { allowedAudiences: [clientId] }
          }
        : { enabled: false }
    }
    login: {
      tokenStore: { enabled: false } // the page needs no token of the reader's
      cookieExpiration: { convention: 'FixedTime', timeToExpiration: '08:00:00' }
      nonce: { validateNonce: true, nonceExpirationInterval: '00:05:00' }
      preserveUrlFragmentsForLogins: false
      routes: { logoutEndpoint: '/.auth/logout' }
    }
  }
}
