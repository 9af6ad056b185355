<#
.SYNOPSIS
For command.ps1 and check.ps1, which source it: the commands that the apps take up from storage, and their answers.

.DESCRIPTION
It needs az, signed in. The values of the deployment come from the environment, or else from azd.
#>
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
# What az refuses is judged by its exit code.
Set-Variable -Name PSNativeCommandUseErrorActionPreference -Value $false

# Exit-Script ends the script with a text for the reader and an exit code.
function Exit-Script {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][string]$Message,
        [ValidateRange(1, 3)][int]$Code = 1
    )
    $caller = (Get-PSCallStack | Where-Object -Property ScriptName | Select-Object -Last 1).ScriptName
    [Console]::Error.WriteLine("$([IO.Path]::GetFileNameWithoutExtension($caller)): $Message")
    exit $Code
}

# Get-DeploymentValue returns a value of the deployment, or '' if it is not known.
function Get-DeploymentValue {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)][ValidatePattern('^[A-Z_]+$')][string]$Name)
    $value = [Environment]::GetEnvironmentVariable($Name)
    if (-not $value -and (Get-Command -Name azd -ErrorAction Ignore)) {
        $value = azd env get-value $Name 2>$null
        if ($LASTEXITCODE -ne 0) { $value = '' }
    }
    return "$value".Trim()
}

# Open-Archive returns the flags by which az reaches the archive, and a folder for files that only this user can read.
function Open-Archive {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param()
    $values = @{}
    $missing = @()
    foreach ($name in 'AZURE_SUBSCRIPTION_ID', 'AZURE_RESOURCE_GROUP', 'ARCHIVE_ACCOUNT') {
        $values[$name] = Get-DeploymentValue -Name $name
        if (-not $values[$name]) { $missing += $name }
    }
    if ($missing) {
        Exit-Script -Message ("not set: $($missing -join ', '); run azd env select or azd env refresh, or, without azd, export each " +
            'of them, as infra/operations.md says ("The names of the resources")')
    }
    if (-not (Get-Command -Name az -ErrorAction Ignore)) {
        Exit-Script -Message 'az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli'
    }
    $account = $values.ARCHIVE_ACCOUNT
    $group = $values.AZURE_RESOURCE_GROUP
    $folder = [IO.Directory]::CreateTempSubdirectory('o2archiver.').FullName
    return @{
        At      = @('--account-name', $account, '--auth-mode', 'login', '--only-show-errors')
        Account = $account
        Group   = $group
        Scope   = "/subscriptions/$($values.AZURE_SUBSCRIPTION_ID)/resourceGroups/$group/providers/Microsoft.Storage/storageAccounts/$account"
        Folder  = $folder
        # What az writes to standard error, of the last call.
        Stderr  = Join-Path -Path $folder -ChildPath 'stderr'
    }
}

# Read-Refusal returns what az has written to standard error the last time.
function Read-Refusal {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)][hashtable]$Archive)
    if (-not [IO.File]::Exists($Archive.Stderr)) { return '' }
    return [IO.File]::ReadAllText($Archive.Stderr)
}

# Exit-Refused ends the script with the reason why az failed, and what to do about it.
function Exit-Refused {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][string]$Role,
        [Parameter(Mandatory)][string]$Container,
        [Parameter(Mandatory)][string]$Failed,
        [AllowEmptyString()][string]$Refusal = (Read-Refusal -Archive $Archive)
    )
    $account = $Archive.Account
    $last = "$(@($Refusal -split '\p{C}' | Where-Object -FilterScript { $_.Trim() }) | Select-Object -Last 1)"
    $correct = "correct ARCHIVE_ACCOUNT, which has to be the archive's account in the resource group $($Archive.Group)"
    switch -Regex -CaseSensitive ($Refusal) {
        'az login|AADSTS|No subscription found|Authentication failure|AuthenticationFailed|InvalidAuthenticationInfo' {
            Exit-Script -Message ("$Failed, because az is not signed in, or no longer, or to another tenant: run az login, in the cloud " +
                'that az cloud show names, which has to be that of the archive')
        }
        'required permissions|AuthorizationPermissionMismatch' {
            Exit-Script -Message @"
$Failed, because you do not have the role $Role on the container $Container. A person who may assign roles
(Owner, User Access Administrator) runs this, for others than themselves with their object id:
  az role assignment create --assignee (az ad signed-in-user show --query id --output tsv) ``
    --role "$Role" ``
    --scope "$($Archive.Scope)/blobServices/default/containers/$Container"
It takes effect within ten minutes.
"@
        }
        'network rules|AuthorizationFailure|PublicAccessNotPermitted' {
            Exit-Script -Message ("$Failed, because the firewall of the storage account $account does not admit this machine: with a " +
                'private network run this from a machine in that network, or add your address to operators (infra/deploying.md) and deploy')
        }
        'ContainerNotFound|container does not exist' {
            Exit-Script -Message "$Failed, because the storage account $account has no container ${Container}: $correct"
        }
        "Failed to resolve 'login\.|host='login\." {
            Exit-Script -Message "$Failed, because this machine does not reach the sign-in of Azure: check its network, DNS and proxy"
        }
        'Failed to resolve|Name or service not known|getaddrinfo|nodename nor servname|name resolution' {
            Exit-Script -Message ("$Failed, because DNS does not know the storage account ${account}: $correct, or, if it is that, the " +
                'network and DNS of this machine')
        }
        ('Max retries exceeded|Connection aborted|timed out|Connection refused|Connection reset|unreachable|' +
            'establish a new connection|ProxyError|CERTIFICATE_VERIFY_FAILED') {
            Exit-Script -Message ("$Failed, because this machine does not reach the storage account ${account}: check its network and " +
                "proxy, and with a private network run this from a machine in that network; az says: $last")
        }
    }
    Exit-Script -Message $(if ($last) { "$Failed; az says: $last" } else { $Failed })
}

# Test-Blob returns whether there is such a blob, or $null if az was refused.
function Test-Blob {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][string]$Container,
        [Parameter(Mandatory)][string]$Name
    )
    $at = $Archive.At
    $stderr = $Archive.Stderr
    $there = az storage blob exists @at --container-name $Container --name $Name --query exists --output tsv 2>$stderr
    if ($LASTEXITCODE -ne 0) { return $null }
    return "$there".Trim() -eq 'true'
}

# Send-ArchiverCommand writes a document as a command, and returns its name, <app>/<time>-<id>. The content is no
# argument: everybody on this machine can read those.
function Send-ArchiverCommand {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][ValidateSet('fetch', 'import')][string]$App,
        [Parameter(Mandatory)][System.Collections.IDictionary]$Document
    )
    $id = [Convert]::ToHexString([Security.Cryptography.RandomNumberGenerator]::GetBytes(8)).ToLowerInvariant()
    $time = [DateTime]::UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", [Globalization.CultureInfo]::InvariantCulture)
    $name = "$App/$time-$id"
    $file = Join-Path -Path $Archive.Folder -ChildPath 'command'
    [IO.File]::WriteAllText($file, (ConvertTo-Json -InputObject $Document -Compress))
    $at = $Archive.At
    $stderr = $Archive.Stderr
    az storage blob upload @at --container-name commands --name "$name.json" --file $file --no-progress --output none 2>$stderr |
        Out-Null
    if ($LASTEXITCODE -ne 0) {
        $refusal = Read-Refusal -Archive $Archive
        # Its answer may have been lost on the way. No other command has this name.
        if (-not (Test-Blob -Archive $Archive -Container commands -Name "$name.json")) {
            Exit-Refused -Archive $Archive -Role 'Storage Blob Data Contributor' -Container commands `
                -Failed 'the command was not written' -Refusal $refusal
        }
    }
    return $name
}

# Get-AnswerContainer returns the container of an app's answers.
function Get-AnswerContainer {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)][ValidateSet('fetch', 'import')][string]$App)
    return @{ fetch = 'status'; import = 'reports' }[$App]
}

# Get-Text returns a member of an object as a text, or the default if it has none. A character that could move the
# cursor of a terminal becomes a blank.
function Get-Text {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)][AllowNull()]$From,
        [Parameter(Mandatory)][string]$Name,
        [string]$Default = ''
    )
    if ($null -eq $From -or $null -eq $From.PSObject.Properties[$Name]) { return $Default }
    return "$($From.PSObject.Properties[$Name].Value)" -replace '\p{C}', ' '
}

# Read-Answer returns the answer to a command. Its State is empty as long as there is none, and 'unread' if az was
# refused.
function Read-Answer {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][string]$Command
    )
    $app, $name = $Command -split '/', 2
    $container = Get-AnswerContainer -App $app
    $answer = @{ State = 'unread'; Says = ''; Share = ''; Links = @() }
    $there = Test-Blob -Archive $Archive -Container $container -Name "answers/$name.json"
    if ($null -eq $there) { return $answer }
    if (-not $there) {
        $answer.State = ''
        return $answer
    }
    $file = Join-Path -Path $Archive.Folder -ChildPath 'answer'
    $at = $Archive.At
    $stderr = $Archive.Stderr
    az storage blob download @at --container-name $container --name "answers/$name.json" --file $file --no-progress `
        --output none 2>$stderr | Out-Null
    if ($LASTEXITCODE -ne 0) { return $answer }
    try {
        $content = Get-Content -LiteralPath $file -Raw -Encoding utf8 | ConvertFrom-Json
    }
    catch {
        [Console]::Error.WriteLine("the answer to $Command is not of the form of one")
        return $answer
    }
    $answer.State = Get-Text -From $content -Name state -Default unread
    $answer.Says = Get-Text -From $content -Name says
    if ((Get-Text -From $content -Name of -Default 0) -ne '0') {
        $answer.Share = " ($(Get-Text -From $content -Name done -Default 0) of $(Get-Text -From $content -Name of))"
    }
    if ($null -ne $content.PSObject.Properties['links']) { $answer.Links = @($content.links) }
    return $answer
}

# Test-Final returns whether nothing more is done for a command.
function Test-Final {
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory)][hashtable]$Answer)
    return @('done', 'refused', 'failed') -ccontains $Answer.State
}

# Format-Link returns one link as a row of the table; the second line of a row is what helps.
function Format-Link {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)][string]$Link,
        [Parameter(Mandatory)][AllowEmptyString()][string]$State,
        [Parameter(Mandatory)][AllowEmptyString()][string]$Says,
        [AllowEmptyString()][string]$Do = ''
    )
    '{0,-17} {1,-8} {2}' -f $Link, $State, $Says
    if ($Do) { '{0,-26} do: {1}' -f '', $Do }
}

# Format-Answer returns the links of an answer as rows.
function Format-Answer {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)][string]$App,
        [Parameter(Mandatory)][hashtable]$Answer
    )
    foreach ($link in $Answer.Links) {
        Format-Link -Link "$App $(Get-Text -From $link -Name link)" -State (Get-Text -From $link -Name state) `
            -Says (Get-Text -From $link -Name says) -Do (Get-Text -From $link -Name do)
    }
}

# Test-Address returns whether a text can be the address of a mailbox.
function Test-Address {
    [CmdletBinding()]
    [OutputType([bool])]
    param([Parameter(Mandatory)][AllowEmptyString()][string]$Text)
    return $Text.Length -le 254 -and $Text -cmatch "\A[A-Za-z0-9.!#`$%&'*+/=?^_``{|}~-]+@[A-Za-z0-9.-]+\z"
}

# Wait-Turn waits between two questions.
function Wait-Turn {
    [CmdletBinding()]
    param()
    Start-Sleep -Seconds 15
}
