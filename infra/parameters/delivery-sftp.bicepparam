// The vendor's ZIPs lie on an SFTP server of the organization. fetch signs in with a key that the set-up makes.
using '../main.bicep'

param environmentName = 'contoso-sftp'
param location = 'uksouth'
param source = 'delivery'
param telemessageUrl = 'none'
param telemessageUsername = 'none'
param deliverySftpHost = 'sftp.contoso.com:2222'
param deliverySftpUsername = 'archive'
// As infra/delivery.md says; compared with what the server's administrator says.
param deliverySftpHostKeys = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK54gfSEqUWf7VPWtNQtKH3C2QMlwo3ij31mFB4eAEy2'
param deliverySftpSignIn = 'key,password'
param deliveryFolder = 'telemessage'
param deliveryFrom = '2026-11-01'
param deliveryDomains = 'contoso.com, contoso.co.uk'
param portal = true
param operators = '203.0.113.7/32'
param alertEmail = 'archive-alerts@contoso.com'
