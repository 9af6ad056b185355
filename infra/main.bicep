// From nothing to a working archive: `azd up`. What it takes and what it costs is in README.md beside this file.
//
// One more app is one more file in apps/, its name at the end of the list below and the call of its file, one line in ../azure.yaml, and its
// rows in the table of roles. CONTRIBUTING.md, "One more app", has all the steps.

targetScope = 'subscription'

import {
  network as networkType
  platform as platformType
  delivery as deliveryType
  secretNames
  secretsOf
} from 'modules/types.bicep'

@description('Name of the environment: it is part of the resource group\'s name and makes the other names unique.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of everything, one that offers Flex Consumption. infra/hooks/preprovision.sh asks Azure for the present list; a region that is missing here may be added.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
  // In mid-2026 Flex Consumption was not yet offered here; it was announced for the end of the year.
  'usgovarizona'
  'usgovvirginia'
  // Unknown.
  'chinanorth3'
])
@metadata({ azd: { type: 'location' } })
param location string

@description('Tags of every resource.')
param tags { *: string } = {}

@description('Where items come from: telemessage, the site by this project\'s contract; or delivery, the ZIPs that the vendor pushes to an SFTP server (deliverySftpHost) or into the landing account (landing).')
@allowed(['telemessage', 'delivery'])
param source string = 'telemessage'

@description('Address of the TeleMessage site, e.g. https://rest.telemessage.example; none, if items come from deliveries.')
param telemessageUrl string

@description('User name at the TeleMessage site; none, if items come from deliveries. The password is asked for by a hook and goes straight to Key Vault.')
param telemessageUsername string

@description('With deliveries: the SFTP server on which the vendor\'s ZIPs are, host or host:port. Empty: they are in the landing account.')
param deliverySftpHost string = ''

@description('The user name of fetch at the SFTP server.')
param deliverySftpUsername string = ''

@description('The host keys of the SFTP server, of which it has to show one: `type base64`, separated by commas, as in known_hosts. Empty: fetch reads nothing yet, and a check shows the key.')
param deliverySftpHostKeys string = ''

@description('What fetch signs in at the SFTP server with. A hook makes the key and stores it in Key Vault, and prints its public half.')
@allowed(['key', 'password', 'key,password', 'key,passphrase', 'key,passphrase,password'])
param deliverySftpSignIn string = 'key'

@description('The folder with the ZIPs. Empty: the home folder at the SFTP server, or the landing container itself.')
param deliveryFolder string = ''

@description('ZIPs named for days before this date are ignored. Empty: none is.')
param deliveryFrom string = ''

@description('With deliveries: all e-mail domains of the organization, separated by commas. An address of another domain is shown as part of the name, and no mailbox is looked up by it. Empty: every address is kept.')
param deliveryDomains string = ''

@description('Make the landing account, into which the vendor puts its ZIPs by SFTP. Azure charges its SFTP endpoint by the hour, used or not.')
param landing bool = false

@description('With landing: public halves of the vendor\'s SSH keys, `type base64`, separated by commas. Empty: a password, which Azure makes.')
param vendorKeys string = ''

@description('With landing and privateNetwork: address ranges of the vendor, separated by commas, e.g. 203.0.113.7/32. Not a /31, which storage does not take. Without privateNetwork every address reaches the sign-in.')
param vendorAddresses string = ''

@description('With landing: let the vendor delete too, which is needed if it uploads under another name and renames.')
param vendorRenames bool = false

@description('With landing: days after which landed ZIPs are deleted there; the archive has their copies. 0: never.')
@minValue(0)
param landingDays int = 365

@description('When runs start: NCRONTAB with six fields, in UTC. Empty: 05:30 with the site, which builds its threads at 05:00 GMT; half past each hour with deliveries. The alert no-fetch expects one run a day, and no-delivery more.')
param fetchSchedule string = ''

// Types are written out here: of a parameter whose type has a name azd sees neither a default nor that it may be null, and asks for it.
@description('Memory of an instance and the most instances of the app fetch. One instance fetches at a time, whatever the number.')
param fetchSize {
  @description('MB per instance.')
  memory: 512 | 2048 | 4096

  @description('The most instances. Azure may refuse fewer than 40.')
  @minValue(40)
  @maxValue(1000)
  maximumInstances: int
} = { memory: 2048, maximumInstances: 40 }

@description('Memory of an instance and the most instances of the app import.')
param importSize {
  @description('MB per instance.')
  memory: 512 | 2048 | 4096

  @description('The most instances. Azure may refuse fewer than 40.')
  @minValue(40)
  @maxValue(1000)
  maximumInstances: int
} = { memory: 2048, maximumInstances: 40 }

@description('Instances of the app import that always wait for events, and are paid for all the time. In a virtual network a cold start takes longer, and Event Grid may not wait for it.')
@minValue(0)
@maxValue(10)
param importAlwaysReady int = privateNetwork ? 1 : 0

@description('Deploy the app import paused: it writes nothing to mailboxes until `infra/command start`, or the end of a set-up in the portal. For the time until the rights to mailboxes have taken effect; settings/connector.json, once there, counts more.')
param importPaused bool = true

@description('Deploy the portal, the page on which administrators set the archive up, watch it and account for it. Off unless it is asked for: the page faces people, and who may reach it (operators) and sign in (infra/portal-app) no default can know.')
param portal bool = false

@description('Client id of the registration by which people sign in to the portal. infra/portal-app makes it and sets this. Empty: the page is closed.')
param portalClientId string = ''

@description('How the portal proves to Entra ID that it is its registration: identity, by its managed identity; secret, by a client secret in a Key Vault of its own, for US Government and China, and where the other does not work.')
@allowed(['identity', 'secret'])
param portalCredential string = 'identity'

@description('Memory of an instance and the most instances of the app portal.')
param portalSize {
  @description('MB per instance.')
  memory: 512 | 2048 | 4096

  @description('The most instances. Azure may refuse fewer than 40.')
  @minValue(40)
  @maxValue(1000)
  maximumInstances: int
} = { memory: 2048, maximumInstances: 40 }

@description('Instances of the portal that always wait for people, and are paid for all the time. Without one the first page after a pause takes some seconds.')
@minValue(0)
@maxValue(10)
param portalAlwaysReady int = 0

@description('Restrict by conditions what roles allow: fetch\'s on the settings to one document, the portal\'s on the vault to the names of the secrets. Conditions on Key Vault were a preview in June 2026: false, where Azure refuses one.')
param roleConditions bool = true

@description('Where the very first run begins: a date, or a time of RFC 3339. Empty: 24 hours before it.')
param fetchFrom string = ''

@description('Further settings of the app fetch, docs/settings.md.')
param fetchSettings { *: string } = {}

@description('Further settings of the app import, docs/settings.md, e.g. ACCEPTED_DOMAINS.')
param importSettings { *: string } = {}

@description('Further settings of the app portal, docs/settings.md.')
param portalSettings { *: string } = {}

@description('Which Microsoft Graph the tenant has. By default that of the cloud that is deployed to: a US Government subscription has a GCC High tenant (usgov-high) or a DoD one (usgov-dod); a GCC tenant is a worldwide one.')
@allowed(['worldwide', 'usgov-high', 'usgov-dod', 'china'])
param tenantCloud string = environment().name == 'AzureUSGovernment'
  ? 'usgov-high'
  : environment().name == 'AzureChinaCloud' ? 'china' : 'worldwide'

@description('Copies of the archive. Geo-redundant ones (…GRS, …GZRS) need a region that is paired with another one. Zone-redundant ones (…ZRS) have no archive tier.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_RAGRS', 'Standard_GZRS', 'Standard_RAGZRS'])
param archiveSku string = 'Standard_GRS'

@description('Originals and journal are deleted when they are so many years old.')
@minValue(1)
@maxValue(10)
param retentionYears int = 5

@description('For so many days after its creation no one can change or delete an original or a journal.')
@minValue(1)
param immutabilityDays int = retentionYears * 365 + (retentionYears + 3) / 4 // with its leap days

@description('Set by infra/lock once the policies are locked: a locked policy can\'t be deployed again.')
param immutabilityLocked bool = false

@description('Days after which originals go to the cool tier. 0: never.')
@minValue(0)
param coolAfterDays int = 30

@description('Days after which originals go to the archive tier, from which a replay needs hours. 0: never. sweep reads batches for 92 days.')
@minValue(0)
param archiveAfterDays int = 365

@description('Days for which what was deleted or replaced can be brought back.')
@minValue(7)
@maxValue(365)
param softDeleteDays int = 30

@description('Guard the archive\'s storage account and the log workspace by locks: `azd down` stops at them.')
param deleteLock bool = true

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logDays int = 90

@description('A key of your own for the archive. The identity has to be allowed to use it: Key Vault Crypto Service Encryption User. None: Microsoft\'s.')
param customerKey {
  @description('Address of the vault, e.g. https://contoso-keys.vault.azure.net')
  vaultUri: string

  @description('Name of the key. Its newest version is used.')
  keyName: string

  @description('Resource id of the user-assigned identity that may use the key.')
  identityId: string
}?

@description('Let the apps write their logs with the key in the connection string, not with their identity. Only for US Government and China, see infra/deploying.md.')
param logsByKey bool = false

@description('Reach storage and Key Vault through private endpoints in a virtual network only.')
param privateNetwork bool = false

@description('Addresses of the virtual network: at least a /25. Each app and the endpoints get a /27.')
param addressSpace string = '10.77.0.0/24'

@description('With privateNetwork: a NAT gateway, by which the apps reach the site and Microsoft Graph from one address that stays.')
param natGateway bool = true

@description('With privateNetwork: subnets of a virtual network that exists already, of at least a /27 each. addressSpace and natGateway then have no effect: how the apps get out is up to that network. None: a network is made.')
param existingSubnets {
  @description('Resource id of the subnet of the private endpoints.')
  endpoints: string

  @description('Resource id of the subnet of the app fetch, delegated to Microsoft.App/environments and used by nothing else.')
  fetch: string

  @description('The same for the app import: another subnet of the same network.')
  import: string

  @description('The same for the app portal, where there is one.')
  portal: string?
}?

@description('With privateNetwork: resource ids of private DNS zones that exist already, each linked with the virtual network. An empty id: no entry is made, because a policy of the organization makes it. None: the zones are made.')
param existingZones {
  @description('Of privatelink.blob.core.windows.net, or its name in another cloud.')
  blob: string

  @description('Of privatelink.queue.core.windows.net, or its name in another cloud.')
  queue: string

  @description('Of privatelink.table.core.windows.net, or its name in another cloud.')
  table: string

  @description('Of privatelink.vaultcore.azure.net, or its name in another cloud.')
  vault: string
}?

@description('Resource id of a Log Analytics workspace that exists already, in the same region. It keeps its own settings, logDays included, and gets no lock. Empty: one is made.')
param existingWorkspaceId string = ''

@description('Address ranges of the administrators, separated by commas, e.g. 203.0.113.7/32. From them the page of the portal is reached, and, with privateNetwork, the archive\'s storage, for the mapping and for commands. Not a /31, which storage does not take. Empty: no one reaches the page, and storage only who is in the network.')
param operators string = ''

@description('Resource id of an action group that alerts go to. None: one is made for alertEmail.')
param actionGroupId string = ''

@description('Address that alerts go to if no action group is given. Empty or none: alerts are only shown.')
param alertEmail string

@description('The alert unmapped comes when more items than this found no mailbox within a day.')
@minValue(0)
param unmappedThreshold int = 20

@description('Bring fetch\'s Key Vault back that an earlier deployment of the same name left behind: purge protection keeps it for 90 days.')
param recoverVault bool = false

var apps = ['fetch', 'import', 'portal']
var token = uniqueString(subscription().id, environmentName, location)
var allTags = union(tags, { 'azd-env-name': environmentName, application: 'o2-network-archiver' })
var groupName = 'rg-${environmentName}'
var archiveName = 'starchive${token}'
var landingName = 'stlanding${token}'
var delivery deliveryType = {
  host: deliverySftpHost
  username: deliverySftpUsername
  hostKeys: deliverySftpHostKeys
  signIn: deliverySftpSignIn
  folder: deliveryFolder
  from: deliveryFrom
  landing: landing ? landingName : ''
}
var operatorRanges = empty(operators) ? [] : map(split(operators, ','), range => trim(range))
// A new archive with the portal fetches nothing before its set-up is finished; see docs/setup.md.
var allFetchSettings = union(
  portal ? { AWAIT_SETUP: 'true' } : {},
  fetchSettings,
  source == 'delivery' && !empty(deliveryDomains) ? { DELIVERY_DOMAINS: deliveryDomains } : {},
  empty(fetchFrom) ? {} : { FETCH_FROM: fetchFrom }
)
// What can be changed in the portal, which shows the value of the deployment until then.
var shownNames = [
  'FETCH_FROM'
  'AUTOMATIC_MAPPING'
  'CUSTOM_MAPPING'
  'ACCEPTED_DOMAINS'
  'MAX_ITEM_SIZE'
  'DEFAULT_REGION'
]
var shownSettings = toObject(
  filter(items(union(allFetchSettings, importSettings)), s => contains(shownNames, s.key)),
  s => s.key,
  s => s.value
)
var insightsName = 'appi-archiver-${token}'
var workspaceName = 'log-archiver-${token}'
var networkName = 'vnet-archiver-${token}'
// The names are private ones of Azure's own, which differ by cloud.
var zones = {
  blob: 'privatelink.blob.${environment().suffixes.storage}'
  queue: 'privatelink.queue.${environment().suffixes.storage}'
  table: 'privatelink.table.${environment().suffixes.storage}'
  vault: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
}
var subscriptionId = subscription().subscriptionId
// Ids are made of names here, and not taken from outputs, so that a prediction (bicep snapshot, what-if) can see all of it.
var workspaceId = empty(existingWorkspaceId)
  ? resourceId(subscriptionId, groupName, 'Microsoft.OperationalInsights/workspaces', workspaceName)
  : existingWorkspaceId
var insightsId = resourceId(subscriptionId, groupName, 'Microsoft.Insights/components', insightsName)
var makeNetwork = privateNetwork && existingSubnets == null
var makeZones = privateNetwork && existingZones == null
// The id of a subnet begins with that of its network.
var networkId = existingSubnets == null
  ? resourceId(subscriptionId, groupName, 'Microsoft.Network/virtualNetworks', networkName)
  : join(take(split(existingSubnets!.endpoints, '/'), 9), '/')
var subnetType = 'Microsoft.Network/virtualNetworks/subnets'
var network networkType = privateNetwork
  ? {
      private: true
      endpointSubnet: existingSubnets.?endpoints ?? resourceId(
        subscriptionId,
        groupName,
        subnetType,
        networkName,
        'endpoints'
      )
      appSubnets: existingSubnets == null
        ? toObject(apps, app => app, app => resourceId(subscriptionId, groupName, subnetType, networkName, app))
        : {
            fetch: existingSubnets!.fetch
            import: existingSubnets!.import
            portal: existingSubnets!.?portal ?? (portal
              ? fail('existingSubnets has no subnet for the app of the portal: give the id of one as its member portal, or set portal (PORTAL) to false')
              : '')
          }
      zones: existingZones ?? mapValues(
        zones,
        zone => resourceId(subscriptionId, groupName, 'Microsoft.Network/privateDnsZones', zone)
      )
    }
  : { private: false, endpointSubnet: '', appSubnets: {}, zones: {} }
var platform platformType = {
  location: location
  tags: allTags
  token: token
  archive: archiveName
  insights: insightsName
  workspaceId: workspaceId
  logsByKey: logsByKey
  tenantCloud: tenantCloud
  network: network
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: allTags
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    location: location
    tags: allTags
    workspaceName: workspaceName
    insightsName: insightsName
    logDays: logDays
    logsByKey: logsByKey
    existingWorkspaceId: existingWorkspaceId
    deleteLock: deleteLock
  }
}

module privateNet 'modules/network.bicep' = if (makeNetwork) {
  scope: group
  params: {
    location: location
    tags: allTags
    name: networkName
    apps: apps
    addressSpace: addressSpace
    natGateway: natGateway
  }
}

module privateDns 'modules/dns.bicep' = if (makeZones) {
  scope: group
  params: {
    tags: allTags
    zoneNames: map(items(zones), zone => zone.value)
    networkId: networkId
  }
  dependsOn: [privateNet]
}

module archive 'modules/archive.bicep' = {
  scope: group
  params: {
    location: location
    tags: allTags
    name: archiveName
    sku: archiveSku
    network: network
    operators: operatorRanges
    workspaceId: workspaceId
    customerKey: customerKey
    retentionYears: retentionYears
    immutabilityDays: immutabilityDays
    immutabilityLocked: immutabilityLocked
    coolAfterDays: coolAfterDays
    archiveAfterDays: archiveAfterDays
    softDeleteDays: softDeleteDays
    deleteLock: deleteLock
  }
  dependsOn: [monitoring, privateNet, privateDns]
}

module landingAccount 'modules/landing.bicep' = if (landing) {
  scope: group
  params: {
    location: location
    tags: allTags
    name: landingName
    network: network
    vendorAddresses: empty(vendorAddresses) ? [] : map(split(vendorAddresses, ','), range => trim(range))
    vendorKeys: empty(vendorKeys) ? [] : map(split(vendorKeys, ','), key => trim(key))
    vendorRenames: vendorRenames
    landingDays: landingDays
    workspaceId: workspaceId
    customerKey: customerKey
    softDeleteDays: softDeleteDays
  }
  dependsOn: [monitoring, privateNet, privateDns]
}

module events 'modules/events.bicep' = {
  scope: group
  params: {
    location: location
    tags: allTags
    token: token
    archive: archiveName
    workspaceId: workspaceId
  }
  dependsOn: [archive]
}

module fetch 'apps/fetch.bicep' = {
  scope: group
  params: {
    platform: platform
    size: fetchSize
    source: source
    delivery: delivery
    telemessageUrl: telemessageUrl
    telemessageUsername: telemessageUsername
    schedule: !empty(fetchSchedule) ? fetchSchedule : source == 'delivery' ? '0 30 * * * *' : '0 30 5 * * *'
    settings: allFetchSettings
    conditions: roleConditions
    recoverVault: recoverVault
  }
  dependsOn: [archive, landingAccount]
}

module import_ 'apps/import.bicep' = {
  scope: group
  params: {
    platform: platform
    size: importSize
    alwaysReady: importAlwaysReady
    settings: union({ PAUSED: importPaused ? 'true' : 'false' }, importSettings)
  }
  dependsOn: [archive]
}

module portal_ 'apps/portal.bicep' = if (portal) {
  scope: group
  params: {
    platform: platform
    size: portalSize
    alwaysReady: portalAlwaysReady
    operators: operatorRanges
    clientId: portalClientId
    credential: portalCredential
    source: source
    delivery: delivery
    telemessageUrl: telemessageUrl
    telemessageUsername: telemessageUsername
    sourceVault: 'kv-fetch-${token}'
    settings: union(shownSettings, portalSettings)
    conditions: roleConditions
    recoverVault: recoverVault
  }
  dependsOn: [archive, fetch] // whose vault has the secrets
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    location: location
    tags: allTags
    token: token
    workspaceId: workspaceId
    shared: empty(existingWorkspaceId) ? null : { insightsId: insightsId, archive: archiveName }
    actionGroupId: actionGroupId
    alertEmail: alertEmail == 'none' ? '' : alertEmail
    deliveries: source == 'delivery'
    unmappedThreshold: unmappedThreshold
  }
  dependsOn: [monitoring]
}

// For the hooks and the runbook; no secret is among them.
@description('The resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('The storage account of the archive.')
output ARCHIVE_ACCOUNT string = archiveName

@description('The Log Analytics workspace of this deployment; empty if an existing one is used.')
output LOG_WORKSPACE string = empty(existingWorkspaceId) ? workspaceName : ''

@description('The system topic of the archive\'s events.')
output EVENT_TOPIC string = events.outputs.topic

@description('The address from which the apps reach the site, for the vendor\'s list; empty without a NAT gateway of this deployment.')
output EGRESS_ADDRESS string = makeNetwork ? privateNet!.outputs.egress : ''

@description('The function app fetch.')
output FETCH_APP string = fetch.outputs.name

@description('Its host name.')
output FETCH_HOST string = fetch.outputs.host

@description('The Key Vault of fetch.')
output FETCH_VAULT string = fetch.outputs.vault

@description('The secret in it that holds the password at the site.')
output FETCH_SECRET string = fetch.outputs.secret

@description('The secrets in it that fetch reads, separated by commas; empty if it needs none.')
output FETCH_SECRETS string = join(
  map(secretsOf(source, deliverySftpHost, deliverySftpSignIn), name => secretNames[name]),
  ','
)

@description('The landing account; empty if there is none.')
output LANDING_ACCOUNT string = landing ? landingName : ''

@description('The host of its SFTP endpoint.')
output LANDING_HOST string = landing ? landingAccount!.outputs.host : ''

@description('The name with which the vendor signs in there.')
output LANDING_USER string = landing ? landingAccount!.outputs.user : ''

@description('The function app import.')
output IMPORT_APP string = import_.outputs.name

@description('Its host name.')
output IMPORT_HOST string = import_.outputs.host

@description('Client id of its identity, for infra/graph.')
output IMPORT_CLIENT_ID string = import_.outputs.identityClientId

@description('Object id of its identity, for infra/graph.')
output IMPORT_PRINCIPAL_ID string = import_.outputs.identityPrincipalId

@description('The function app portal; empty if there is none.')
output PORTAL_APP string = portal ? portal_!.outputs.name : ''

@description('Its host name.')
output PORTAL_HOST string = portal ? portal_!.outputs.host : ''

@description('Object id of its identity, which its registration trusts.')
output PORTAL_PRINCIPAL_ID string = portal ? portal_!.outputs.identityPrincipalId : ''

@description('The Key Vault with its client secret; empty if it needs none.')
output PORTAL_VAULT string = portal ? portal_!.outputs.vault : ''
