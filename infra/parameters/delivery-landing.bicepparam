// The vendor pushes its ZIPs into a landing account of this deployment, from two addresses; the rest is reached from the network only.
using '../main.bicep'

param environmentName = 'contoso-landing'
param location = 'uksouth'
param source = 'delivery'
param telemessageUrl = 'none'
param telemessageUsername = 'none'
param landing = true
// Two keys while the vendor changes from one to the other.
param vendorKeys = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK54gfSEqUWf7VPWtNQtKH3C2QMlwo3ij31mFB4eAEy2, ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOrsuvqyKuqjfK5RHdl66s5qcOV74uLFC4f/hFMYeaTm'
param vendorAddresses = '203.0.113.7/32, 198.51.100.0/24'
param privateNetwork = true
param alertEmail = 'archive-alerts@contoso.com'
