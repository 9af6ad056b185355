// Storage and Key Vault behind private endpoints, a key of one's own, seven years, and what else is not the default.
using '../main.bicep'

param environmentName = 'contoso-private'
param location = 'uksouth'
param tags = { owner: 'compliance' }
param telemessageUrl = 'https://rest.telemessage.example'
param telemessageUsername = 'archive-contoso'
param privateNetwork = true
param operators = '203.0.113.7/32, 203.0.113.8'
param portal = true
param portalClientId = '00000000-0000-4000-8000-00000000a99d'
param portalAlwaysReady = 1
param retentionYears = 7
param archiveSku = 'Standard_GZRS'
param importSize = { memory: 4096, maximumInstances: 100 }
param importSettings = { ACCEPTED_DOMAINS: 'contoso.com', MAX_ITEM_SIZE: '35MB' }
param alertEmail = ''
param actionGroupId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/operations/providers/Microsoft.Insights/actionGroups/on-call'
param customerKey = {
  #disable-next-line no-hardcoded-env-urls // the address of a vault that is there already
  vaultUri: 'https://contoso-keys.vault.azure.net'
  keyName: 'archive'
  identityId: '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/keys/providers/Microsoft.ManagedIdentity/userAssignedIdentities/archive-key'
}
