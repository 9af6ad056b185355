// The roles of one identity: an app's, or that of the events. Their names are made of the identity's object id, which is known only when it is there: an identity that was
// deleted and made anew gets its own, where Azure would refuse to change whom a role is given to.

import { roles } from 'types.bicep'

@description('Whose they are, for the description of each role.')
param app string

@description('Object id of the identity.')
param principalId string

@description('The storage account of the archive.')
param archive string

@description('Roles in it, by container.')
param containers { *: string }

@description('Conditions of these roles, by container.')
param conditions { *: string } = {}

@description('Roles in it, by queue.')
param queues { *: string } = {}

@description('Roles in it, by table.')
param tables { *: string } = {}

@description('The landing account, whose container it may read. Empty: none.')
param landing string = ''

@description('The storage account of the app\'s host. Empty: none.')
param host string = ''

@description('Roles on the whole of it.')
param onHost string[] = []

@description('The Key Vault whose secrets it may use. Empty: none.')
param vault string = ''

@description('Resource id of its role there. Empty: it may read them.')
param vaultRole string = ''

@description('Condition of this role. Empty: none.')
param vaultCondition string = ''

@description('The Application Insights component that it may write to. Empty: none.')
param insights string = ''

var secretsRole = empty(vaultRole)
  ? subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.secretsUser)
  : vaultRole

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: archive

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = [for c in items(containers): { name: c.key }]
  }

  resource queueService 'queueServices' existing = {
    name: 'default'

    resource queue 'queues' existing = [for q in items(queues): { name: q.key }]
  }

  resource tableService 'tableServices' existing = {
    name: 'default'

    resource table 'tables' existing = [for t in items(tables): { name: t.key }]
  }
}

resource mayUseContainer 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (c, i) in items(containers): {
    name: guid(account::blobs::container[i].id, principalId, c.value)
    scope: account::blobs::container[i]
    properties: {
      description: app
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', c.value)
      condition: conditions[?c.key]
      conditionVersion: contains(conditions, c.key) ? '2.0' : null
    }
  }
]

resource mayUseQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (q, i) in items(queues): {
    name: guid(account::queueService::queue[i].id, principalId, q.value)
    scope: account::queueService::queue[i]
    properties: {
      description: app
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', q.value)
    }
  }
]

resource mayUseTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (t, i) in items(tables): {
    name: guid(account::tableService::table[i].id, principalId, t.value)
    scope: account::tableService::table[i]
    properties: {
      description: app
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', t.value)
    }
  }
]

resource landingAccount 'Microsoft.Storage/storageAccounts@2025-08-01' existing = if (!empty(landing)) {
  name: landing

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = { name: 'landing' }
  }
}

resource mayReadLanding 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(landing)) {
  name: guid(landingAccount::blobs::container.id, principalId, roles.blobReader)
  scope: landingAccount::blobs::container
  properties: {
    description: app
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.blobReader)
  }
}

resource hostAccount 'Microsoft.Storage/storageAccounts@2025-08-01' existing = if (!empty(host)) {
  name: host
}

resource mayUseHost 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in onHost: {
    name: guid(hostAccount.id, principalId, role)
    scope: hostAccount
    properties: {
      description: app
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

resource secretsVault 'Microsoft.KeyVault/vaults@2026-02-01' existing = if (!empty(vault)) {
  name: vault
}

resource mayUseSecret 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(vault)) {
  name: guid(secretsVault.id, principalId, last(split(secretsRole, '/')))
  scope: secretsVault
  properties: {
    description: app
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: secretsRole
    condition: empty(vaultCondition) ? null : vaultCondition
    conditionVersion: empty(vaultCondition) ? null : '2.0'
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = if (!empty(insights)) {
  name: insights
}

resource mayLog 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(insights)) {
  name: guid(component.id, principalId, roles.metricsPublisher)
  scope: component
  properties: {
    description: app
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.metricsPublisher)
  }
}
