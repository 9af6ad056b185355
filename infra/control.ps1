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

# Get-DeploymentValue returns a value of the deployment.
function Get-DeploymentValue {
    [CmdletBinding()]
    [OutputType([string])]
    param([Parameter(Mandatory)][ValidatePattern('^[A-Z_]+$')][string]$Name)
    $value = [Environment]::GetEnvironmentVariable($Name)
    if (-not $value -and (Get-Command -Name azd -ErrorAction Ignore)) {
        $value = azd env get-value $Name
        if ($LASTEXITCODE -ne 0) { $value = '' }
    }
    if (-not $value) { Exit-Script -Message "${Name}: is not set: run azd up first, or azd env select" }
    return "$value".Trim()
}

# Open-Archive returns the flags by which az reaches the archive, and a folder for files that only this user can read.
function Open-Archive {
    [CmdletBinding()]
    [OutputType([hashtable])]
    param()
    $account = Get-DeploymentValue -Name ARCHIVE_ACCOUNT
    $subscription = Get-DeploymentValue -Name AZURE_SUBSCRIPTION_ID
    $group = Get-DeploymentValue -Name AZURE_RESOURCE_GROUP
    return @{
        At     = @('--account-name', $account, '--auth-mode', 'login', '--only-show-errors')
        Scope  = "/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.Storage/storageAccounts/$account"
        Folder = [IO.Directory]::CreateTempSubdirectory('o2archiver.').FullName
    }
}

# Exit-WithoutRole says what is needed where az was refused, and ends the script.
function Exit-WithoutRole {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][string]$Role,
        [Parameter(Mandatory)][string]$Container,
        [Parameter(Mandatory)][string]$Failed
    )
    Exit-Script -Message @"
$Failed; az's answer is above. This needs the role $Role on the container $Container. A person who may assign roles
(Owner, User Access Administrator) runs this, for others than themselves with their object id:
  az role assignment create --assignee (az ad signed-in-user show --query id --output tsv) ``
    --role "$Role" ``
    --scope "$($Archive.Scope)/blobServices/default/containers/$Container"
It counts within ten minutes. With a private network, your address has to be among the operators, too.
If az asks for a sign-in instead, no role is missing: az login.
"@
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
    $there = az storage blob exists @at --container-name $Container --name $Name --query exists --output tsv
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
    az storage blob upload @at --container-name commands --name "$name.json" --file $file --no-progress --output none |
        Out-Null
    # If it failed, its answer may have been lost on the way. No other command has this name.
    if ($LASTEXITCODE -ne 0 -and -not (Test-Blob -Archive $Archive -Container commands -Name "$name.json")) {
        Exit-WithoutRole -Archive $Archive -Role 'Storage Blob Data Contributor' -Container commands `
            -Failed 'the command was not written'
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
    az storage blob download @at --container-name $container --name "answers/$name.json" --file $file --no-progress `
        --output none | Out-Null
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
