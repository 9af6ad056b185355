// Azure Government, a GCC High tenant. The hosts come from the cloud that is deployed to (az cloud set --name AzureUSGovernment).
using '../main.bicep'

param environmentName = 'agency'
param location = 'usgovvirginia'
param tenantCloud = 'usgov-high'
param telemessageUrl = 'https://rest.telemessage.example'
param telemessageUsername = 'archive-agency'
param alertEmail = 'archive-alerts@agency.example'
param privateNetwork = true
param portal = true
param portalCredential = 'secret'
param operators = '203.0.113.7/32'
