// What is archived: the originals (batches, media), the journal, the portal's audit log, and beside them the state that changes. Originals,
// journal and audit log can be written once; the state never gets an immutability policy, for the apps could not go on with one.

import { network as networkType, customerKey as customerKeyType } from 'types.bicep'

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Its name.')
param name string

@description('How many copies are kept, and where.')
param sku string

@description('The virtual network, or none.')
param network networkType

@description('Address ranges of the administrators, who reach it from outside of the network.')
param operators string[]

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('A key of the customer. None: Microsoft\'s.')
param customerKey customerKeyType?

@description('Originals and journal are deleted when they are so many years old.')
param retentionYears int

@description('For so many days no one can change or delete them.')
param immutabilityDays int

@description('The policies have been locked: leave them alone.')
param immutabilityLocked bool

@description('Days after which originals go to the cool tier. 0: never.')
param coolAfterDays int

@description('Days after which originals go to the archive tier. 0: never.')
param archiveAfterDays int

@description('Days for which what was deleted or replaced can be brought back.')
param softDeleteDays int

@description('Whether the account can only be deleted after a lock has been taken off.')
param deleteLock bool

var originals = ['batches', 'media', 'deliveries']
var journal = ['journal', 'audit'] // both grow at their end
var state = ['checkpoints', 'settings', 'sweeps', 'commands', 'status', 'reports', 'deadletters']
// Commands, and what became of them, are of use for as long as sweep reads batches. A draft is what someone began to set up and left.
// What was in force before (settings/history/, settings/mapping/) stays.
var commands = ['commands/', 'status/answers/', 'reports/answers/', 'reports/unmapped/', 'settings/drafts/']
var commandDays = 92
var immutable = concat(originals, journal)
var term = max(retentionYears * 365 + (retentionYears + 3) / 4, immutabilityDays) // with its leap days: never a day too early
// A stored attachment is used for further records for 20 days (mediaReuse in handlers/fetch/internal/collector/media.go), and may be
// some days older than the batches that name it; a delivered ZIP is copied before its batches are written, and read for as long as it
// takes. So both are tiered later, protected for longer and deleted later than batches are.
var mediaMargin = 30
var margins = { batches: 0, media: mediaMargin, deliveries: mediaMargin, journal: 0, audit: 0 }
// Zone-redundant accounts have no archive tier.
var toArchive = archiveAfterDays > 0 && !contains(sku, 'ZRS')

module account 'account.bicep' = {
  params: {
    location: location
    tags: tags
    name: name
    sku: sku
    network: network
    admitted: operators
    workspaceId: workspaceId
    customerKey: customerKey
    containers: concat(immutable, state)
    queues: ['webjobs-blobtrigger-poison'] // as the Functions host calls it: events that it gave up
    tables: ['ledger', 'totals']
    softDeleteDays: softDeleteDays
    logged: ['StorageRead', 'StorageWrite', 'StorageDelete']
  }
}

resource existing 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: name

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = [for container in immutable: { name: container }]
  }
}

// Created unlocked. Locking is for good, and a step of its own: infra/lock.
resource policies 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-08-01' = [
  for (container, i) in immutable: if (!immutabilityLocked) {
    parent: existing::blobs::container[i]
    name: 'default'
    properties: {
      immutabilityPeriodSinceCreationInDays: immutabilityDays + margins[container]
      // The journal consists of append blobs, which grow at their end; what is in them can't be changed. Of an original not even that.
      allowProtectedAppendWrites: contains(journal, container)
    }
    dependsOn: [account]
  }
]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: existing
  name: 'default'
  properties: {
    policy: {
      rules: concat(
        map(originals, container => {
          name: container
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: { blobTypes: ['blockBlob'], prefixMatch: ['${container}/'] }
            actions: {
              baseBlob: union(
                { delete: { daysAfterModificationGreaterThan: term + margins[container] } },
                coolAfterDays > 0
                  ? { tierToCool: { daysAfterModificationGreaterThan: coolAfterDays + margins[container] } }
                  : {},
                toArchive
                  ? { tierToArchive: { daysAfterModificationGreaterThan: archiveAfterDays + margins[container] } }
                  : {}
              )
              version: { delete: { daysAfterCreationGreaterThan: term + margins[container] } }
            }
          }
        }),
        [
          {
            name: 'journal' // append blobs can be deleted by a rule, but have no tiers
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['appendBlob'], prefixMatch: map(journal, container => '${container}/') }
              actions: {
                baseBlob: { delete: { daysAfterModificationGreaterThan: term } }
                // With versioning on the rule above only makes a former version of it.
                version: { delete: { daysAfterCreationGreaterThan: term } }
              }
            }
          }
          {
            name: 'dead-letters'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob', 'appendBlob'], prefixMatch: ['deadletters/'] }
              actions: {
                baseBlob: { delete: { daysAfterModificationGreaterThan: term } }
                version: { delete: { daysAfterCreationGreaterThan: term } }
              }
            }
          }
          {
            name: 'commands'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: commands }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: commandDays } } }
            }
          }
          {
            name: 'former-state'
            enabled: true
            type: 'Lifecycle'
            definition: {
              filters: {
                blobTypes: ['blockBlob']
                prefixMatch: map(filter(state, container => container != 'deadletters'), container => '${container}/')
              }
              actions: { version: { delete: { daysAfterCreationGreaterThan: max(softDeleteDays, 1) } } }
            }
          }
        ]
      )
    }
  }
  dependsOn: [account]
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (deleteLock) {
  name: 'archive'
  scope: existing
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the archive. See "Leave" in infra/leaving.md before taking this off.'
  }
  dependsOn: [account]
}
