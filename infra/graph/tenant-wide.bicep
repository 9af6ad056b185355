// Optional, and only for tenants that can't use exchange.ps1: Mail.ReadWrite in every mailbox of the tenant, and User.Read.All, as code. To be
// deployed by a tenant administrator:
//   az deployment group create -g <group> -f infra/graph/tenant-wide.bicep -p principalId=$(azd env get-value IMPORT_PRINCIPAL_ID)
// The extension comes from Microsoft's registry (bicepconfig.json beside this file).

extension microsoftGraphV1

@description('Object id of the import app\'s identity: the output IMPORT_PRINCIPAL_ID.')
param principalId string

@description('Every mailbox of the tenant. With false only the right to find users, for use with exchange.ps1.')
param everyMailbox bool = false

var roles = everyMailbox ? ['User.Read.All', 'Mail.ReadWrite'] : ['User.Read.All']

resource microsoftGraph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

resource grants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for role in roles: {
    principalId: principalId
    resourceId: microsoftGraph.id
    appRoleId: first(filter(microsoftGraph.appRoles, r => r.value == role))!.id
  }
]
