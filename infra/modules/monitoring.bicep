// Where the logs go. They hold no text, number or address, but who reads them is still to be chosen with care.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param insightsName string

@description('Days for which logs are kept and can be searched.')
param logDays int

@description('Let logs be written with the key in the connection string.')
param logsByKey bool

@description('Resource id of a workspace that exists already. Empty: one is made.')
param existingWorkspaceId string

@description('Whether the workspace can only be deleted after a lock has been taken off.')
param deleteLock bool

var makeWorkspace = empty(existingWorkspaceId)

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = if (makeWorkspace) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: logDays
    features: {
      disableLocalAuth: true
      // Whoever may read the archive's storage account need not be shown its log.
      enableLogAccessUsingOnlyResourcePermissions: false
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: makeWorkspace ? workspace.id : existingWorkspaceId
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: !logsByKey
  }
}

#disable-next-line use-recent-api-versions // the newest that has diagnostic settings as they are now
resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (makeWorkspace) {
  name: 'archiver'
  scope: workspace
  properties: {
    workspaceId: workspace.id
    // Who asked the logs what.
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

// `azd down --purge` deletes the workspace before it meets the lock on the archive's account.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (makeWorkspace && deleteLock) {
  name: 'logs'
  scope: workspace
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds the log of the archive. See "Leave" in infra/leaving.md before taking this off.'
  }
}
