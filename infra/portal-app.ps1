#Requires -Version 7.4
<#
.SYNOPSIS
The sign-in to the portal: its registration in Entra ID, and the roles of people.

.DESCRIPTION
The same as infra/portal-app, in PowerShell: (no word) | show | grant ROLE PERSON | revoke ROLE PERSON | renew-secret.
It needs az, signed in to the tenant of the subscription.

ROLE is Archive.Admin or Archive.Reader. PERSON is the name with which a person signs in, like jane@contoso.com, or the
object id of a person or a group. Without a word it makes the registration, or completes it, and opens the page; it may
be run again at any time. The values of the deployment come from the environment, or else from azd.

.EXAMPLE
infra/portal-app.ps1
.EXAMPLE
infra/portal-app.ps1 grant Archive.Admin jane@contoso.com
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    # Nothing, show, grant, revoke or renew-secret.
    [Parameter(Position = 0)][string]$Action = 'make',
    # Archive.Admin or Archive.Reader.
    [Parameter(Position = 1)][string]$Role = '',
    # Who gets the role, or loses it.
    [Parameter(Position = 2)][string]$Person = '',
    # Shows this help, as the word help does.
    [Alias('h')][switch]$Help
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
. "$PSScriptRoot/control.ps1"
if ($Help -or @('help', '--help') -ccontains $Action) {
    Get-Help -Name $PSCommandPath -Detailed
    exit 0
}

# Ids of the roles in the registration. They are kept: who has a role has its id.
$roles = [ordered]@{
    'Archive.Admin'  = '5f0e7a3b-6f1c-4f0e-9d55-0c6a5b7b2a11'
    'Archive.Reader' = 'b1a4c8de-2f7d-4c8b-8a43-7d1f0e9c6b22'
}
$refused = "az's answer is above; it takes an Application Administrator of the tenant, or an Application Developer, signed in by az login"

# Write-Json writes a value into a file of the folder and returns the name of the file, from which az reads it: quotes
# would not survive the shell of Windows.
function Write-Json {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)][string]$Folder,
        [Parameter(Mandatory)][string]$Name,
        [Parameter(Mandatory)][object]$Value
    )
    $file = Join-Path -Path $Folder -ChildPath $Name
    [IO.File]::WriteAllText($file, (ConvertTo-Json -InputObject $Value -Depth 5 -Compress))
    return $file
}

# Invoke-Request makes a request of Graph or of Azure's management, and returns the answer.
function Invoke-Request {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Portal,
        [Parameter(Mandatory)][ValidateSet('get', 'post', 'put', 'delete')][string]$Method,
        [Parameter(Mandatory)][string]$Url,
        [Parameter(Mandatory)][string]$Refused,
        [System.Collections.IDictionary]$Body
    )
    $address = Join-Path -Path $Portal.Folder -ChildPath 'address'
    [IO.File]::WriteAllText($address, $Url)
    $more = @()
    if ($Body) { $more = @('--body', "@$(Write-Json -Folder $Portal.Folder -Name 'body' -Value $Body)") }
    if ($Url.StartsWith($Portal.Graph, [StringComparison]::Ordinal)) { $more += @('--resource', $Portal.Graph) }
    $answer = az rest --method $Method --url "@$address" --output json @more
    if ($LASTEXITCODE -ne 0) { Exit-Script -Message "$Refused" }
    if ($answer) { return $answer | ConvertFrom-Json }
}

# Get-AppPrincipal returns the object id of the enterprise application, or '' if there is none.
function Get-AppPrincipal {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)][string]$Client)
    return "$(az ad sp list --filter "appId eq $([char]39)$Client$([char]39)" --query '[0].id' --output tsv)".Trim()
}

# Send-Secret makes a client secret, stores it in Key Vault, and has the app read it anew.
function Send-Secret {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Portal,
        [Parameter(Mandatory)][string]$Client
    )
    $made = az ad app credential reset --id $Client --append --display-name portal --years 1 --output json
    if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the client secret was not made: $refused" }
    $body = @{ properties = @{ value = ($made | ConvertFrom-Json).password } }
    Invoke-Request -Portal $Portal -Method put -Body $body -Refused "the client secret was not stored: az's answer is above" `
        -Url "$($Portal.Management)/Microsoft.KeyVault/vaults/$($Portal.PORTAL_VAULT)/secrets/portal-client-secret?api-version=2023-07-01" | Out-Null
    Invoke-Request -Portal $Portal -Method post -Refused "the app was not told, and reads the client secret within a day: az's answer is above" `
        -Url "$($Portal.Management)/Microsoft.Web/sites/$($Portal.PORTAL_APP)/config/configreferences/appsettings/refresh?api-version=2024-04-01" | Out-Null
    Write-Output -InputObject 'The client secret is in Key Vault, for a year. Renew it before: infra/portal-app renew-secret'
}

$guid = '\A[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\z'
$known = if (@('grant', 'revoke') -ccontains $Action) { @($roles.Keys) -ccontains $Role } else {
    @('make', 'show', 'renew-secret') -ccontains $Action -and -not $Role -and -not $Person
}
if (-not $known) {
    Exit-Script -Code 2 -Message ('the words are none of these: show | grant ROLE PERSON | revoke ROLE PERSON | renew-secret, with Archive.Admin ' +
        'or Archive.Reader as ROLE')
}
if ($Role -and $Person -cnotmatch $guid -and $Person -cnotmatch '\A[A-Za-z0-9._%+#-]+@[A-Za-z0-9.-]+\z') {
    Exit-Script -Code 2 -Message 'PERSON is neither a name like jane@contoso.com nor an object id'
}
$portal = @{}
$missing = @()
foreach ($name in 'AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'PORTAL_APP', 'PORTAL_HOST', 'PORTAL_PRINCIPAL_ID', 'PORTAL_VAULT',
    'PORTAL_CLIENT_ID', 'PORTAL_CREDENTIAL') {
    $portal[$name] = Get-DeploymentValue -Name $name
    $optional = @('PORTAL_VAULT', 'PORTAL_CLIENT_ID', 'PORTAL_CREDENTIAL') -ccontains $name
    if (-not $portal[$name] -and -not $optional) { $missing += $name }
}
if ($missing) {
    Exit-Script -Message ("not set: $($missing -join ', '); run azd env select or azd env refresh, or, without azd, export each " +
        'of them, as infra/operations.md says ("The names of the resources")')
}
if (-not (Get-Command -Name az -ErrorAction Ignore)) {
    Exit-Script -Message 'az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli'
}
$client = $portal.PORTAL_CLIENT_ID
$bySecret = $portal.PORTAL_CREDENTIAL -ceq 'secret'
if ($client -and $client -cnotmatch $guid) {
    Exit-Script -Message 'PORTAL_CLIENT_ID is not a client id: correct it, or leave it out for a new registration'
}
if (-not $client -and $Action -cne 'make') {
    Exit-Script -Message 'PORTAL_CLIENT_ID is not set: run infra/portal-app, which makes the registration, or export the id that it printed'
}
if ($Action -ceq 'renew-secret' -and -not $portal.PORTAL_VAULT) {
    Exit-Script -Message 'there is no client secret: PORTAL_CREDENTIAL is not secret, or was not deployed yet (azd provision)'
}
$tenant = az account show --subscription $portal.AZURE_SUBSCRIPTION_ID --query tenantId --output tsv
if ($LASTEXITCODE -ne 0) { Exit-Script -Message "az can't see the subscription: az login" }
$here = az account show --query tenantId --output tsv
if ($tenant -ne $here) { Exit-Script -Message "az is signed in to another tenant than that of the subscription: az login --tenant $tenant" }
$graph = az cloud show --query endpoints.microsoftGraphResourceId --output tsv
if ($LASTEXITCODE -ne 0) { Exit-Script -Message "az does not say which cloud it is set to: az's answer is above" }
$portal.Graph = "$graph".Trim().TrimEnd('/')
$portal.Management = "/subscriptions/$($portal.AZURE_SUBSCRIPTION_ID)/resourceGroups/$($portal.AZURE_RESOURCE_GROUP)/providers"
$portal.Folder = [IO.Directory]::CreateTempSubdirectory('o2archiver.').FullName
try {
    if ($Action -ceq 'renew-secret') {
        if ($PSCmdlet.ShouldProcess($client, 'renew the client secret')) { Send-Secret -Portal $portal -Client $client }
        exit 0
    }
    if ($Action -cne 'make') {
        $principal = Get-AppPrincipal -Client $client
        if (-not $principal) { Exit-Script -Message "the registration $client is not in this tenant, or not complete: run infra/portal-app" }
        $given = "$($portal.Graph)/v1.0/servicePrincipals/$principal/appRoleAssignedTo"
        $refusedByGraph = "Graph refuses: az's answer is above; it takes an owner of the registration, or a Cloud Application Administrator"
        $held = @((Invoke-Request -Portal $portal -Method get -Url "$given`?`$top=999" -Refused $refusedByGraph).value)
        if ($Action -ceq 'show') {
            if ($held.Count -eq 0) { Write-Output -InputObject 'No one has a role.' }
            foreach ($each in $held) {
                $value = @($roles.Keys | Where-Object -FilterScript { $roles[$_] -eq $each.appRoleId }) + 'another role' | Select-Object -First 1
                Write-Output -InputObject "${value}: $($each.principalType) $($each.principalDisplayName)"
            }
            exit 0
        }
        $id = $Person
        if ($Person -cnotmatch $guid) {
            $id = az ad user show --id $Person --query id --output tsv
            if ($LASTEXITCODE -ne 0) { Exit-Script -Message "there is no such person in the tenant: az's answer is above" }
        }
        $mine = $held | Where-Object -FilterScript { $_.principalId -eq $id -and $_.appRoleId -eq $roles[$Role] } | Select-Object -First 1
        if ($PSCmdlet.ShouldProcess($id, "$Action $Role")) {
            if ($Action -ceq 'grant') {
                if (-not $mine) {
                    Invoke-Request -Portal $portal -Method post -Url $given -Refused $refusedByGraph `
                        -Body ([ordered]@{ principalId = $id; resourceId = $principal; appRoleId = $roles[$Role] }) | Out-Null
                }
                Write-Output -InputObject "${Role}: granted. It counts from the next sign-in at https://$($portal.PORTAL_HOST)/"
            }
            else {
                if ($mine) { Invoke-Request -Portal $portal -Method delete -Url "$given/$($mine.id)" -Refused $refusedByGraph }
                Write-Output -InputObject "${Role}: not granted any more; a session that is open ends within eight hours"
            }
        }
        exit 0
    }

    $cloud = az cloud show --query name --output tsv
    if (-not $bySecret -and $cloud -cne 'AzureCloud') {
        Exit-Script -Message "in $cloud sign-in by the managed identity is not known to work: azd env set PORTAL_CREDENTIAL secret, and azd provision"
    }
    if ($bySecret -and -not $portal.PORTAL_VAULT) {
        Exit-Script -Message 'PORTAL_CREDENTIAL is secret, and the app has no vault for it yet: run azd provision (or infra/deploy)'
    }
    $label = "O2 archive portal $($portal.PORTAL_APP)"
    if (-not $PSCmdlet.ShouldProcess($label, 'make or complete the registration')) { exit 0 }
    $redirect = "https://$($portal.PORTAL_HOST)/.auth/login/aad/callback"
    $wanted = Write-Json -Folder $portal.Folder -Name 'roles' -Value @(
        [ordered]@{
            id = $roles['Archive.Admin']; value = 'Archive.Admin'; displayName = 'Administrator'; isEnabled = $true; allowedMemberTypes = @('User')
            description = 'Sets the archive up, gives commands, and sees numbers and addresses.'
        },
        [ordered]@{
            id = $roles['Archive.Reader']; value = 'Archive.Reader'; displayName = 'Reader'; isEnabled = $true; allowedMemberTypes = @('User')
            description = 'Sees what was archived and what was not, with numbers masked.'
        })
    if (-not $client) {
        # az would change a registration of the same name, which may be another person's: its owner could sign in as anyone.
        $named = az ad app list --display-name $label --output json
        if ($LASTEXITCODE -ne 0) { Exit-Script -Message "Entra ID refuses: $refused" }
        $there = @($named | ConvertFrom-Json | Where-Object -Property displayName -EQ -Value $label)
        if ($there.Count -gt 0) {
            Exit-Script -Message ("there is a registration '$label' already: if it is this deployment's, set PORTAL_CLIENT_ID to its client id, " +
                "which is $($there.appId -join ' '); if not, delete it")
        }
        $client = az ad app create --display-name $label --sign-in-audience AzureADMyOrg --web-redirect-uris $redirect `
            --enable-id-token-issuance true --app-roles "@$wanted" --query appId --output tsv
        if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the registration was not made: $refused" }
        $client = "$client".Trim()
        if (Get-Command -Name azd -ErrorAction Ignore) { azd env set PORTAL_CLIENT_ID $client }
        else { Write-Output -InputObject "Add this line to the parameters file, or the next deployment closes the page: param portalClientId = '$client'" }
    }
    else {
        $uris = az ad app show --id $client --query web.redirectUris --output json
        if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the registration $client was not found: $refused" }
        $uris = @($redirect) + @($uris | ConvertFrom-Json) | Select-Object -Unique
        az ad app update --id $client --web-redirect-uris @uris --enable-id-token-issuance true --app-roles "@$wanted"
        if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the registration $client was not changed: $refused" }
    }
    # What was just made may not be known everywhere yet.
    $principal = ''
    for ($try = 1; -not $principal -and $try -le 6; $try++) {
        $principal = Get-AppPrincipal -Client $client
        if (-not $principal) { $principal = "$(az ad sp create --id $client --query id --output tsv)".Trim() }
        if (-not $principal) { Start-Sleep -Seconds 5 }
    }
    if (-not $principal) { Exit-Script -Message "the enterprise application was not made: $refused" }
    az ad sp update --id $principal --set appRoleAssignmentRequired=true
    if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the enterprise application was not changed: $refused" }
    if ($bySecret) {
        $vault = "$($portal.Management)/Microsoft.KeyVault/vaults/$($portal.PORTAL_VAULT)/secrets?api-version=2023-07-01"
        $stored = Invoke-Request -Portal $portal -Method get -Url $vault -Refused "the vault $($portal.PORTAL_VAULT) was not read: az's answer is above"
        if (@($stored.value.name) -cnotcontains 'portal-client-secret') { Send-Secret -Portal $portal -Client $client }
    }
    else {
        $trusted = az ad app federated-credential list --id $client --output json
        if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the registration was not read: $refused" }
        $trusted = @($trusted | ConvertFrom-Json | Where-Object -Property name -CEQ -Value 'portal')
        $trust = [ordered]@{
            issuer    = "https://login.microsoftonline.com/$tenant/v2.0"
            subject   = $portal.PORTAL_PRINCIPAL_ID
            audiences = @('api://AzureADTokenExchange')
        }
        if ($trusted.Count -eq 0) {
            $trust.name = 'portal'
            az ad app federated-credential create --id $client --parameters "@$(Write-Json -Folder $portal.Folder -Name 'trust' -Value $trust)" --output none
        }
        elseif ($trusted[0].subject -ne $portal.PORTAL_PRINCIPAL_ID) {
            # The identity was made anew.
            az ad app federated-credential update --id $client --federated-credential-id portal `
                --parameters "@$(Write-Json -Folder $portal.Folder -Name 'trust' -Value $trust)" --output none
        }
        if ($LASTEXITCODE -ne 0) { Exit-Script -Message "the registration does not trust the app's identity: $refused" }
    }
    az deployment group create --name portal-sign-in --resource-group $portal.AZURE_RESOURCE_GROUP --subscription $portal.AZURE_SUBSCRIPTION_ID `
        --template-file "$PSScriptRoot/modules/sign-in.bicep" --output none `
        --parameters "app=$($portal.PORTAL_APP)" "clientId=$client" "credential=$(if ($bySecret) { 'secret' } else { 'identity' })"
    if ($LASTEXITCODE -ne 0) {
        Exit-Script -Message "the sign-in was not set up: az's answer is above; it takes the role Contributor on $($portal.AZURE_RESOURCE_GROUP)"
    }
    Write-Output -InputObject "The registration $client is complete. https://$($portal.PORTAL_HOST)/ asks people to sign in, from the addresses in OPERATORS."
    Write-Output -InputObject 'Next: infra/portal-app grant Archive.Admin jane@contoso.com'
}
finally {
    Remove-Item -LiteralPath $portal.Folder -Recurse -Force -WhatIf:$false -Confirm:$false
}
