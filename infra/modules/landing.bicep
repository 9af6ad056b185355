// The landing account: an SFTP endpoint into which the vendor puts its ZIPs, and from which fetch copies them into the archive. It is an
// account of its own because Azure takes no immutability policy in one that has such an endpoint, which is paid for by the hour.

import { network as networkType, customerKey as customerKeyType } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Its name.')
param name string

@description('The virtual network, or none.')
param network networkType

@description('Address ranges of the vendor, from which the account is reached beside the virtual network.')
param vendorAddresses string[]

@description('Public halves of the vendor\'s SSH keys, `type base64`. None: the vendor signs in with a password, which Azure makes.')
param vendorKeys string[]

@description('Whether the vendor uploads under one name and renames: that takes the right to delete.')
param vendorRenames bool

@description('Days after which what was landed is deleted. 0: never.')
param landingDays int

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('A key of the customer. None: Microsoft\'s.')
param customerKey customerKeyType?

@description('Days for which what was deleted or replaced can be brought back.')
param softDeleteDays int

var container = 'landing'

module account 'account.bicep' = {
  params: {
    location: location
    tags: tags
    name: name
    sku: 'Standard_LRS' // the archive's account has the copies that last
    sftp: true
    network: network
    admitted: vendorAddresses
    workspaceId: workspaceId
    customerKey: customerKey
    containers: [container]
    softDeleteDays: softDeleteDays
    logged: ['StorageRead', 'StorageWrite', 'StorageDelete']
  }
}

resource existing 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: name
}

// It may put files there and see which are there, so that it can tell whether they have arrived. It may read none, also none of its own: a
// stolen key of the vendor's opens no message. And it may delete none.
resource vendor 'Microsoft.Storage/storageAccounts/localUsers@2025-08-01' = {
  parent: existing
  name: 'vendor'
  properties: {
    homeDirectory: container
    permissionScopes: [{ service: 'blob', resourceName: container, permissions: vendorRenames ? 'cwld' : 'cwl' }]
    allowAclAuthorization: false
    hasSharedKey: false
    hasSshKey: !empty(vendorKeys)
    hasSshPassword: empty(vendorKeys)
    sshAuthorizedKeys: [for (key, i) in vendorKeys: { description: 'vendor ${i + 1}', key: key }]
  }
  dependsOn: [account]
}

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = if (landingDays > 0) {
  parent: existing
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: container
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${container}/'] }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: landingDays } } }
          }
        }
      ]
    }
  }
  dependsOn: [account]
}

@description('Host name of its SFTP endpoint.')
output host string = '${name}.blob.${environment().suffixes.storage}'

@description('Name with which the vendor signs in there.')
output user string = '${name}.${vendor.name}'
