// The alerts, who is notified of them, and the workbook. Every alert has its heading in infra/runbook.md. The queries read lines that the
// handlers write; a test compares each text in them with the sources.

@description('Region.')
param location string

@description('Tags of every resource.')
param tags { *: string }

@description('Makes the names of this environment unique.')
param token string

@description('Resource id of the Log Analytics workspace.')
param workspaceId string

@description('For a workspace that others use too: the component and the archive whose logs count. None: all that is in the workspace counts.')
param shared { insightsId: string, archive: string }?

@description('Resource id of an action group that alerts go to.')
param actionGroupId string

@description('Address that alerts go to if there is no action group.')
param alertEmail string

@description('Whether items come from deliveries: what only they can have gets its alerts then.')
param deliveries bool

@description('The number of unmapped items in a day above which the alert unmapped comes.')
param unmappedThreshold int

// In a shared workspace another archive may write the same lines, and any storage account its requests.
func scoped(query string, component string, account string) string =>
  replace(
    replace(
      replace(query, 'AppTraces', '(AppTraces | where _ResourceId =~ \'${component}\')'),
      'StorageQueueLogs',
      '(StorageQueueLogs | where AccountName == \'${account}\')'
    ),
    'StorageBlobLogs',
    '(StorageBlobLogs | where AccountName == \'${account}\')'
  )

var lines = loadTextContent('../queries/lines.kql')

// An alert about a state is resolved automatically when the state has ended. An alert about an event (event: true) would be resolved as soon
// as the event is older than the queried time, although its cause may remain: so it stays until it is closed by hand, and comes at most
// once a day.
var rules = [
  {
    name: 'no-fetch'
    event: false
    says: 'The time up to which everything is fetched is more than 26 hours in the past'
    severity: 1
    query: loadTextContent('../queries/no-fetch.kql')
    back: 'P2D'
    measure: ''
    above: 0
  }
  {
    name: 'failed-imports'
    event: true
    says: 'Items could not be imported'
    severity: 1
    query: loadTextContent('../queries/failed-imports.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'unfinished'
    event: false
    says: 'A run that was fetched hours ago is not completely imported'
    severity: 1
    query: loadTextContent('../queries/unfinished.kql')
    back: 'P2D'
    measure: ''
    above: 0
  }
  {
    name: 'given-up'
    event: true
    says: 'Events lie in the poison queue or among the dead letters, and batches are not imported to the end'
    severity: 2
    query: loadTextContent('../queries/given-up.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'no-events'
    event: true
    says: 'No event of a batch has come for a day, although batches have'
    severity: 1
    query: loadTextContent('../queries/no-events.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'unmapped'
    event: true
    says: 'More items than expected found no mailbox'
    severity: 2
    query: loadTextContent('../queries/unmapped.kql')
    back: 'P1D'
    measure: 'unmapped'
    above: unmappedThreshold
  }
  {
    name: 'source-count'
    event: true
    says: 'The source holds another number of items than it sent, or than were stored'
    severity: 1
    query: loadTextContent('../queries/source-count.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'gap'
    event: false
    says: 'There is time for which nothing was fetched'
    severity: 1
    query: loadTextContent('../queries/gap.kql')
    back: 'P2D'
    measure: ''
    above: 0
  }
  {
    name: 'stuck'
    event: true
    says: 'A window is not finished after several invocations of fetch'
    severity: 1
    query: loadTextContent('../queries/stuck.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'stuck-import'
    event: true
    says: 'A batch or a replay is not finished after several tries'
    severity: 1
    query: loadTextContent('../queries/stuck-import.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'more-left-out'
    event: true
    says: 'More messages than usual lack a field'
    severity: 2
    query: loadTextContent('../queries/more-left-out.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'more-incomplete'
    event: true
    says: 'More messages than usual lack an attachment'
    severity: 2
    query: loadTextContent('../queries/more-incomplete.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'more-differing'
    event: true
    says: 'More items than usual have the id of another one with other content'
    severity: 2
    query: loadTextContent('../queries/more-differing.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'more-quarantined'
    event: true
    says: 'More items than usual can not be read'
    severity: 2
    query: loadTextContent('../queries/more-quarantined.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'more-unmapped'
    event: true
    says: 'More items than usual found no mailbox'
    severity: 2
    query: loadTextContent('../queries/more-unmapped.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'credentials'
    event: true
    says: 'The site, or the SFTP server, refuses the credentials'
    severity: 1
    query: loadTextContent('../queries/credentials.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'clock'
    event: true
    says: 'A time that should be in the past is in the future'
    severity: 1
    query: loadTextContent('../queries/clock.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'errors'
    event: true
    says: 'There are errors that no other alert reports'
    severity: 1
    query: loadTextContent('../queries/errors.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
]

// Each alert costs something: a site delivers no ZIPs.
var deliveryRules = [
  {
    name: 'no-delivery'
    event: true
    says: 'No new ZIP has come for 26 hours'
    severity: 1
    query: loadTextContent('../queries/no-delivery.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'delivery-gap'
    event: true
    says: 'File numbers of a day are missing'
    severity: 1
    query: loadTextContent('../queries/delivery-gap.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
  {
    name: 'failed-deliveries'
    event: true
    says: 'A ZIP is not what its manifest states, or could not be read'
    severity: 1
    query: loadTextContent('../queries/failed-deliveries.kql')
    back: 'P1D'
    measure: ''
    above: 0
  }
]

var shown = [
  { title: 'By day', query: loadTextContent('../queries/days.kql'), as: 'table' }
  { title: 'Left out, incomplete, differing', query: loadTextContent('../queries/left-out.kql'), as: 'table' }
  { title: 'More than usual', query: loadTextContent('../queries/usual.kql'), as: 'table' }
  { title: 'Copies by hour', query: loadTextContent('../queries/copies.kql'), as: 'timechart' }
  { title: 'Runs', query: loadTextContent('../queries/runs.kql'), as: 'table' }
  { title: 'Deliveries', query: loadTextContent('../queries/zips.kql'), as: 'table' }
  { title: 'Not fetched', query: loadTextContent('../queries/gap.kql'), as: 'table' }
  { title: 'Not imported to the end', query: loadTextContent('../queries/unfinished.kql'), as: 'table' }
  { title: 'Poison queue and dead letters', query: loadTextContent('../queries/undelivered.kql'), as: 'table' }
  { title: 'Trouble', query: loadTextContent('../queries/trouble.kql'), as: 'table' }
  { title: 'Duration in ms', query: loadTextContent('../queries/times.kql'), as: 'table' }
]

var makeGroup = empty(actionGroupId) && !empty(alertEmail)
var groups = makeGroup ? [group.id] : empty(actionGroupId) ? [] : [actionGroupId]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = if (makeGroup) {
  name: 'ag-archiver-${token}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'archiver'
    enabled: true
    emailReceivers: [{ name: 'archive', emailAddress: alertEmail, useCommonAlertSchema: true }]
  }
}

#disable-next-line use-recent-api-versions // what came after it is for rules that are not used here, and new versions reach the other clouds last
resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in concat(rules, deliveries ? deliveryRules : []): {
    name: 'archiver-${rule.name}-${token}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'O2 archive: ${rule.name}'
      description: '${rule.says}. What to do: infra/runbook.md, "${rule.name}".'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT1H'
      windowSize: rule.back
      autoMitigate: !rule.event
      muteActionsDuration: rule.event ? 'P1D' : null
      // Tables of a workspace come with their first line, and a new workspace has none.
      skipQueryValidation: true
      criteria: {
        allOf: [
          union(
            {
              query: shared == null
                ? '${lines}\n${rule.query}'
                : scoped('${lines}\n${rule.query}', shared!.insightsId, shared!.archive)
              operator: 'GreaterThan'
              threshold: rule.above
              timeAggregation: empty(rule.measure) ? 'Count' : 'Total'
              failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
            },
            empty(rule.measure) ? {} : { metricMeasureColumn: rule.measure }
          )
        ]
      }
      actions: { actionGroups: groups }
    }
  }
]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(workspaceId, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'O2 archive'
    category: 'workbook'
    sourceId: 'Azure Monitor' // so that it stands among Monitor's own workbooks
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat(
        [
          {
            type: 9
            name: 'range'
            content: {
              version: 'KqlParameterItem/1.0'
              style: 'pills'
              parameters: [
                {
                  id: guid(workspaceId, 'range')
                  version: 'KqlParameterItem/1.0'
                  name: 'range'
                  label: 'Time'
                  type: 4
                  isRequired: true
                  value: { durationMs: 2592000000 }
                  typeSettings: {
                    selectableValues: [{ durationMs: 86400000 }, { durationMs: 604800000 }, { durationMs: 2592000000 }]
                    allowCustom: true
                  }
                }
              ]
            }
          }
        ],
        map(shown, part => {
          type: 3
          name: part.title
          content: {
            version: 'KqlItem/1.0'
            title: part.title
            query: shared == null
              ? '${lines}\n${part.query}'
              : scoped('${lines}\n${part.query}', shared!.insightsId, shared!.archive)
            size: 0
            queryType: 0
            resourceType: 'microsoft.operationalinsights/workspaces'
            crossComponentResources: [workspaceId]
            timeContextFromParameter: 'range'
            visualization: part.as
          }
        })
      )
      fallbackResourceIds: [workspaceId]
    })
  }
}
