// With a Log Analytics workspace and an action group that are there already.
using '../main.bicep'

param environmentName = 'contoso-operations'
param location = 'uksouth'
param telemessageUrl = 'https://rest.telemessage.example'
param telemessageUsername = 'archive-contoso'
param alertEmail = 'none'
param actionGroupId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/operations/providers/Microsoft.Insights/actionGroups/on-call'
// In the region of the deployment. Everyone who may read it can read the archive's log.
param existingWorkspaceId = '/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/operations/providers/Microsoft.OperationalInsights/workspaces/log-operations'
