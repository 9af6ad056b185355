#Requires -Version 7.4
<#
.SYNOPSIS
Application permissions of the import app in Microsoft Graph, for a tenant administrator.

.DESCRIPTION
The same as infra/graph/app-roles, in PowerShell: show | grant ROLE | revoke ROLE. It needs az, signed in.

ROLE is User.Read.All, which every tenant needs to find users, or Mail.ReadWrite, which reaches every mailbox of the
tenant: better is exchange.ps1. $env:IMPORT_PRINCIPAL_ID is the object id of the app's identity, an output of the
deployment. $env:GRAPH_URL is Graph's address where it is not the one that az has for its cloud: for DoD,
https://dod-graph.microsoft.us

.EXAMPLE
infra/graph/app-roles.ps1 grant User.Read.All
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    # show, grant or revoke.
    [Parameter(Position = 0)][string]$Action = 'show',
    # User.Read.All or Mail.ReadWrite.
    [Parameter(Position = 1)][string]$Role = '',
    # Shows this help, as the word help does.
    [Alias('h')][switch]$Help
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
# What az refuses is judged by its exit code.
Set-Variable -Name PSNativeCommandUseErrorActionPreference -Value $false

if ($Help -or @('help', '--help') -ccontains $Action) {
    Get-Help -Name $PSCommandPath -Detailed
    exit 0
}

# Exit-Script ends the script with a text for the reader and an exit code.
function Exit-Script {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][string]$Message,
        [ValidateRange(1, 2)][int]$Code = 1
    )
    [Console]::Error.WriteLine("app-roles: $Message")
    exit $Code
}

# Invoke-Graph makes a request and returns the answer. Address and body go through files: quotes, parentheses and the
# like would not survive the shell of Windows, and az reads an argument that begins with @ from a file.
function Invoke-Graph {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Graph,
        [Parameter(Mandatory)][ValidateSet('get', 'post', 'delete')][string]$Method,
        [Parameter(Mandatory)][string]$Path,
        [System.Collections.IDictionary]$Body
    )
    $address = Join-Path -Path $Graph.Folder -ChildPath 'address'
    [IO.File]::WriteAllText($address, "$($Graph.Url)/v1.0/servicePrincipals$Path")
    $more = @()
    if ($Body) {
        $file = Join-Path -Path $Graph.Folder -ChildPath 'body'
        [IO.File]::WriteAllText($file, (ConvertTo-Json -InputObject $Body -Compress))
        $more = @('--body', "@$file")
    }
    $answer = az rest --resource $Graph.Url --method $Method --url "@$address" --output json @more
    if ($LASTEXITCODE -ne 0) {
        Exit-Script -Message ("Graph refuses: az's answer is above; run az login --allow-no-subscriptions, as a Privileged Role " +
            'Administrator of the tenant of the mailboxes, and compare IMPORT_PRINCIPAL_ID with what the person who deployed has')
    }
    if ($answer) { return $answer | ConvertFrom-Json }
}

$roles = @('User.Read.All', 'Mail.ReadWrite')
$known = if ($Action -ceq 'show') { $Role -ceq '' } else { (@('grant', 'revoke') -ccontains $Action) -and ($roles -ccontains $Role) }
if (-not $known) {
    Exit-Script -Code 2 -Message 'the words are none of these: show | grant ROLE | revoke ROLE, with User.Read.All or Mail.ReadWrite as ROLE'
}
$principal = $env:IMPORT_PRINCIPAL_ID
if (-not $principal) {
    Exit-Script -Message ('IMPORT_PRINCIPAL_ID is not set: export the id that the person who deployed passes on, who gets it by ' +
        'azd env get-value IMPORT_PRINCIPAL_ID')
}
if (-not (Get-Command -Name az -ErrorAction Ignore)) {
    Exit-Script -Message 'az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli'
}

$url = $env:GRAPH_URL
if (-not $url) {
    $url = az cloud show --query endpoints.microsoftGraphResourceId --output tsv
    if ($LASTEXITCODE -ne 0) { Exit-Script -Message "az does not say which cloud it is set to: az's answer is above" }
}
$graph = @{
    Url    = "$url".Trim().TrimEnd('/')
    Folder = [IO.Directory]::CreateTempSubdirectory('o2archiver.').FullName
}
try {
    $microsoftGraph = Invoke-Graph -Graph $graph -Method get -Path "(appId='00000003-0000-0000-c000-000000000000')"
    $assignments = "/$principal/appRoleAssignments"
    $held = @((Invoke-Graph -Graph $graph -Method get -Path $assignments).value)
    $ids = @{}
    $grants = @{}
    foreach ($each in $roles) {
        $ids[$each] = @($microsoftGraph.appRoles | Where-Object -Property value -CEQ -Value $each)[0].id
        $grants[$each] = $held | Where-Object -Property appRoleId -EQ -Value $ids[$each] | Select-Object -First 1
    }
    switch -CaseSensitive ($Action) {
        'show' {
            foreach ($each in $roles) {
                Write-Output -InputObject "${each}: $(if ($grants[$each]) { 'granted' } else { 'not granted' })"
            }
        }
        'grant' {
            if ($PSCmdlet.ShouldProcess($principal, "grant $Role")) {
                if (-not $grants[$Role]) {
                    Invoke-Graph -Graph $graph -Method post -Path $assignments -Body ([ordered]@{
                            principalId = $principal
                            resourceId  = $microsoftGraph.id
                            appRoleId   = $ids[$Role]
                        }) | Out-Null
                }
                Write-Output -InputObject "${Role}: granted"
            }
        }
        'revoke' {
            if ($PSCmdlet.ShouldProcess($principal, "revoke $Role")) {
                if ($grants[$Role]) {
                    Invoke-Graph -Graph $graph -Method delete -Path "$assignments/$($grants[$Role].id)"
                }
                Write-Output -InputObject "${Role}: not granted any more; a token that was given out before is good for a day at most"
            }
        }
    }
}
finally {
    Remove-Item -LiteralPath $graph.Folder -Recurse -Force -WhatIf:$false -Confirm:$false
}
