// As little as has to be said.
using '../main.bicep'

param environmentName = 'contoso'
param location = 'uksouth'
param telemessageUrl = 'https://rest.telemessage.example'
param telemessageUsername = 'archive-contoso'
param alertEmail = 'archive-alerts@contoso.com'
