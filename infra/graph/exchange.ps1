<#
.SYNOPSIS
Lets the import app write into the mailboxes of one group, and no others: RBAC for Applications in Exchange Online.

.DESCRIPTION
For an Exchange administrator (Organization Management). Needs the module ExchangeOnlineManagement. It may be run again at any time:
what is there stays. The identity must not have the permission Mail.ReadWrite in Entra as well: grants add up.

.EXAMPLE
./exchange.ps1 -ClientId (azd env get-value IMPORT_CLIENT_ID) -ObjectId (azd env get-value IMPORT_PRINCIPAL_ID) -Group o2-archived@contoso.com
.EXAMPLE
./exchange.ps1 -ClientId ... -ObjectId ... -Test jane@contoso.com
.EXAMPLE
./exchange.ps1 -ClientId ... -ObjectId ... -Remove
#>
[CmdletBinding(DefaultParameterSetName = 'Grant')]
param(
    # IMPORT_CLIENT_ID and IMPORT_PRINCIPAL_ID of the deployment.
    [Parameter(Mandatory, ParameterSetName = 'Grant')]
    [Parameter(Mandatory, ParameterSetName = 'Test')]
    [Parameter(Mandatory, ParameterSetName = 'Remove')]
    [guid]$ClientId,
    [Parameter(Mandatory, ParameterSetName = 'Grant')]
    [Parameter(Mandatory, ParameterSetName = 'Test')]
    [Parameter(Mandatory, ParameterSetName = 'Remove')]
    [guid]$ObjectId,
    # The group of archived users: a mail-enabled security group or a distribution group. Only its direct members count.
    [Parameter(Mandatory, ParameterSetName = 'Grant')][string]$Group,
    # Says whether the app can reach this mailbox.
    [Parameter(Mandatory, ParameterSetName = 'Test')][string]$Test,
    # Takes the right back.
    [Parameter(Mandatory, ParameterSetName = 'Remove')][switch]$Remove,
    # The cloud: O365Default, O365USGovGCCHigh, O365USGovDoD, O365China.
    [string]$Environment = 'O365Default',
    # Shows this help.
    [Parameter(Mandatory, ParameterSetName = 'Help')][Alias('h')][switch]$Help
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
if ($Help) {
    Get-Help -Name $PSCommandPath -Detailed
    exit 0
}

# One name for each identity: with a common one a second environment would find the first one's assignment, and get no right.
$name = "O2 Network Archiver $ClientId"
$role = 'Application Mail.ReadWrite'

Import-Module ExchangeOnlineManagement
Connect-ExchangeOnline -ExchangeEnvironmentName $Environment -ShowBanner:$false

switch ($PSCmdlet.ParameterSetName) {
    'Grant' {
        # Exchange has its own pointer to the identity. ObjectId is that of the enterprise application, as Entra shows it.
        if (-not (Get-ServicePrincipal | Where-Object AppId -EQ $ClientId)) {
            New-ServicePrincipal -AppId $ClientId -ObjectId $ObjectId -DisplayName $name | Out-Null
        }
        $members = (Get-Group -Identity $Group).DistinguishedName
        $filter = "MemberOfGroup -eq '$($members -replace "'", "''")'"
        if (Get-ManagementScope | Where-Object Name -EQ $name) {
            Set-ManagementScope -Identity $name -RecipientRestrictionFilter $filter
        }
        else {
            New-ManagementScope -Name $name -RecipientRestrictionFilter $filter | Out-Null
        }
        if (-not (Get-ManagementRoleAssignment | Where-Object Name -EQ $name)) {
            New-ManagementRoleAssignment -Name $name -App $ObjectId -Role $role -CustomResourceScope $name | Out-Null
        }
        Write-Output "The app may write into the mailboxes of the members of $Group. It takes up to two hours until that is so everywhere."
    }
    'Test' {
        # InScope is what counts; tokens may lag behind it.
        Test-ServicePrincipalAuthorization -Identity $ObjectId -Resource $Test | Format-Table RoleName, GrantedPermissions, AllowedResourceScope, InScope
    }
    'Remove' {
        Get-ManagementRoleAssignment | Where-Object Name -EQ $name | Remove-ManagementRoleAssignment -Confirm:$false
        Get-ManagementScope | Where-Object Name -EQ $name | Remove-ManagementScope -Confirm:$false
        Get-ServicePrincipal | Where-Object AppId -EQ $ClientId | Remove-ServicePrincipal -Confirm:$false
        Write-Output 'The app can reach no mailbox by way of Exchange Online any more.'
    }
}
Disconnect-ExchangeOnline -Confirm:$false
