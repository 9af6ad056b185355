#Requires -Version 7.4
<#
.SYNOPSIS
Gives the archiver a command, and shows the answer.

.DESCRIPTION
The same as infra/command, in PowerShell:

run | backfill FROM TO | estimate FROM TO | replay RUN-OR-BATCH [lines NUMBERS|reason REASON] | dryrun RUN-OR-BATCH | tally | check fetch | check import MAILBOX | pause [fetch|import] | start [fetch|import] | answer COMMAND

It waits for the answer for up to 20 minutes. Exit codes: 0 it is done, and every link of a check is ok; 1 it was refused
or has failed, or a link is not ok; 2 the arguments are wrong, and nothing was written; 3 it is still at work. You need
the role Storage Blob Data Contributor on the container commands (pause and start: on settings), and Storage Blob Data
Reader on status (fetch) and reports (import).

.EXAMPLE
infra/command.ps1 backfill 2026-11-01 2026-11-02
.EXAMPLE
infra/command.ps1 check import o2-test@contoso.com
.EXAMPLE
infra/command.ps1 start
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    # What to do: the first word of the command.
    [Parameter(Position = 0)][AllowEmptyString()][string]$Action = '',
    # The further words.
    [Parameter(Position = 1, ValueFromRemainingArguments)][AllowEmptyCollection()][AllowEmptyString()][string[]]$Word = @(),
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

$usage = 'run | backfill FROM TO | estimate FROM TO | replay RUN-OR-BATCH [lines NUMBERS|reason REASON] | dryrun RUN-OR-BATCH | tally | check fetch | check import MAILBOX | pause [fetch|import] | start [fetch|import] | answer COMMAND'
$rounds = 80 # of 15 seconds: 20 minutes

# ConvertTo-Instant returns a date, which is its first moment in UTC, or an RFC 3339 time, as RFC 3339 in UTC. It ends
# the script if the text is neither.
function ConvertTo-Instant {
    [CmdletBinding()]
    [OutputType([string])]
    param(
        [Parameter(Mandatory)][AllowEmptyString()][string]$Text,
        [Parameter(Mandatory)][string]$Name
    )
    $form = '\A20[0-9]{2}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2}))?\z'
    $formats = [string[]]@('yyyy-MM-dd', "yyyy-MM-dd'T'HH:mm:ssK")
    $culture = [Globalization.CultureInfo]::InvariantCulture
    $at = [DateTimeOffset]::MinValue
    $upper = $Text.ToUpperInvariant()
    if ($upper -cnotmatch $form -or
        -not [DateTimeOffset]::TryParseExact($upper, $formats, $culture, [Globalization.DateTimeStyles]::AssumeUniversal, [ref]$at)) {
        Exit-Script -Code 2 -Message "$Name is neither a date like 2026-11-01 nor a time like 2026-11-01T09:00:00Z"
    }
    return $at.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", $culture)
}

# Write-Outcome prints the links of the answer, and ends the script as the answer says.
function Write-Outcome {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][string]$Command,
        [Parameter(Mandatory)][hashtable]$Answer
    )
    $app = ($Command -split '/')[0]
    $code = 0
    if ($Answer.Links.Count -gt 0) {
        Format-Link -Link LINK -State STATE -Says 'WHAT IT SAYS, AND WHAT TO DO'
        Format-Answer -App $app -Answer $Answer
        if (@($Answer.Links | Where-Object -FilterScript { (Get-Text -From $_ -Name state) -cne 'ok' }).Count -gt 0) { $code = 1 }
    }
    if ($Answer.State -ceq 'done') { exit $code }
    if (Test-Final -Answer $Answer) { exit 1 }
    Write-Output -InputObject "It goes on; infra/command.ps1 answer $Command shows it."
    exit 3
}

# Wait-Answer prints each change of the answer until it is final, or the time is over.
function Wait-Answer {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][string]$Command,
        [Parameter(Mandatory)][int]$Rounds
    )
    $app = ($Command -split '/')[0]
    $before = ''
    $failures = 0
    for ($round = 1; $round -le $Rounds; $round++) {
        $answer = Read-Answer -Archive $Archive -Command $Command
        if ($answer.State -ceq 'unread') {
            $failures++
            if ($failures -ge 4) {
                Exit-Refused -Archive $Archive -Role 'Storage Blob Data Reader' `
                    -Container (Get-AnswerContainer -App $app) -Failed "the answer to $Command cannot be read"
            }
        }
        else {
            $failures = 0
            $line = "$($answer.State)$($answer.Share): $($answer.Says)"
            if ($answer.State -and $line -cne $before) {
                Write-Output -InputObject $line
                $before = $line
            }
            if (Test-Final -Answer $answer) { Write-Outcome -Command $Command -Answer $answer }
        }
        if ($round -lt $Rounds) { Wait-Turn }
    }
    if (-not $before) {
        Write-Output -InputObject "The app $app has not taken it up: does it run? Look at it in the Azure portal."
    }
    Write-Outcome -Command $Command -Answer @{ State = 'working'; Links = @() }
}

# Write-Pause writes the flag of the apps into settings/connector.json, and keeps all else in it as it is. What another
# person, or the portal, changes meanwhile is not overwritten.
function Write-Pause {
    [CmdletBinding()]
    param(
        [Parameter(Mandatory)][hashtable]$Archive,
        [Parameter(Mandatory)][string[]]$App,
        [Parameter(Mandatory)][ValidateSet('true', 'false')][string]$Paused
    )
    $role = 'Storage Blob Data Contributor'
    $at = $Archive.At
    $stderr = $Archive.Stderr
    $blob = @('--container-name', 'settings', '--name', 'connector.json')
    $file = Join-Path -Path $Archive.Folder -ChildPath 'connector'
    # An ETag is in quotes, which the shell of Windows would take away. az reads an argument that begins with @ from a
    # file.
    $tagFile = Join-Path -Path $Archive.Folder -ChildPath 'etag'
    # The form of the member paused, blanks included (_). In a text that is JSON it can stand nowhere else, because a
    # quotation mark within a string has a backslash before it.
    $fetchFlag = '"fetch"_:_(true|false)_'
    $importFlag = '"import"_:_(true|false)_'
    $flags = "`"paused`"_:_\{_($fetchFlag|$importFlag|$fetchFlag,_$importFlag|$importFlag,_$fetchFlag)?\}"
    $own = $flags -replace '_', '[ \t\r\n]*'
    $version = '"v"[ \t\r\n]*:[ \t\r\n]*1[ \t\r\n]*[,}]'
    $refused = ''
    for ($try = 1; $try -le 5; $try++) {
        $there = Test-Blob -Archive $Archive -Container settings -Name connector.json
        if ($null -eq $there) {
            Exit-Refused -Archive $Archive -Role $role -Container settings -Failed 'settings/connector.json cannot be read'
        }
        $etag = 'none'
        $text = '{"v":1}'
        $condition = @('--if-none-match', '*')
        if ($there) {
            $etag = az storage blob show @at @blob --query properties.etag --output tsv 2>$stderr
            if ($LASTEXITCODE -ne 0) {
                Exit-Refused -Archive $Archive -Role $role -Container settings -Failed 'settings/connector.json cannot be read'
            }
            $etag = "$etag".Trim()
            if ($etag -cnotmatch '\A"?[A-Za-z0-9]+"?\z') {
                Exit-Script -Message 'settings/connector.json has no ETag, and was left alone'
            }
            [IO.File]::WriteAllText($tagFile, $etag)
            # Fails if it was changed in between.
            az storage blob download @at @blob --file $file --if-match "@$tagFile" --no-progress --output none 2>$stderr | Out-Null
            if ($LASTEXITCODE -ne 0) {
                if ($etag -ceq $refused) {
                    Exit-Refused -Archive $Archive -Role $role -Container settings -Failed 'settings/connector.json cannot be read'
                }
                $refused = $etag
                continue
            }
            $text = [IO.File]::ReadAllText($file)
            $condition = @('--overwrite', '--if-match', "@$tagFile")
        }
        $found = [regex]::Match($text, $own)
        if ($found.Success) {
            $before = $text.Substring(0, $found.Index)
            $after = $text.Substring($found.Index + $found.Length)
        }
        else {
            $before = $text -creplace '\}[ \t\r\n]*\z', ''
            if ($before -cnotmatch '\A[ \t\r\n]*\{[ \t\r\n]*\z') { $before += ',' }
            $after = '}'
        }
        if ($text.Length -gt 65536 -or $text -cnotmatch '(?s)\A[ \t\r\n]*\{.*\}[ \t\r\n]*\z' -or
            ($text.Contains('"v"') -and $text -cnotmatch $version) -or "$before$after".Contains('"paused"')) {
            Exit-Script -Message ('settings/connector.json is damaged, or of a later version, and was left alone: pause and start ' +
                'with what has written it, the portal for example, or write it anew, like ' +
                '{"v":1,"paused":{"fetch":false,"import":false}}')
        }
        $said = $found.Value -replace '[ \t\r\n]', ''
        $members = foreach ($each in 'fetch', 'import') {
            if ($App -ccontains $each) { "`"${each}`":$Paused" }
            elseif ($said -cmatch "`"${each}`":(true|false)") { "`"${each}`":$($Matches[1])" }
        }
        $new = "`"paused`":{$(@($members) -join ',')}"
        if ($new -ceq $said) { return }
        [IO.File]::WriteAllText($file, "$before$new$after`n")
        az storage blob upload @at @blob --file $file @condition --no-progress --output none 2>$stderr | Out-Null
        if ($LASTEXITCODE -eq 0) { return }
        # If it was written, and the answer was lost: the next time it is as it should be.
        if ($etag -ceq $refused) {
            Exit-Refused -Archive $Archive -Role $role -Container settings -Failed 'settings/connector.json was not written'
        }
        $refused = $etag
        [Console]::Error.WriteLine('settings/connector.json was perhaps changed meanwhile, and is read again')
    }
    Exit-Script -Message 'settings/connector.json is changed again and again; nothing was written'
}

# Everything is checked before anything is written.
$count = $Word.Count
$first = if ($count -gt 0) { $Word[0] } else { '' }
$app = ''
$apps = @('fetch', 'import')
$document = $null
switch -CaseSensitive ("${count}:$Action") {
    '0:run' {
        $app = 'fetch'
        $document = [ordered]@{ kind = 'run' }
    }
    { @('2:backfill', '2:estimate') -ccontains $_ } {
        $from = ConvertTo-Instant -Text $first -Name FROM
        $to = ConvertTo-Instant -Text $Word[1] -Name TO
        if ([string]::CompareOrdinal($from, $to) -ge 0) {
            Exit-Script -Code 2 -Message 'TO has to be later than FROM, because it is not part of the range'
        }
        $app = 'fetch'
        $document = [ordered]@{ kind = $Action; from = $from; to = $to }
    }
    { @('1:replay', '3:replay', '1:dryrun') -ccontains $_ } {
        $form = '\A[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9][A-Za-z0-9.-]{0,127}(/([0-9]{5}|a[0-9]{6})(-z{0,3}[b-z])?\.ndjson)?\z'
        if ($first -cnotmatch $form) {
            Exit-Script -Code 2 -Message 'RUN-OR-BATCH is neither a run like 2026/11/23/<run> nor a batch like 2026/11/23/<run>/00001.ndjson'
        }
        $app = 'import'
        $document = [ordered]@{ kind = $Action; what = $first }
        if ($count -eq 3 -and $Word[1] -ceq 'lines') {
            if (-not $first.EndsWith('.ndjson')) {
                Exit-Script -Code 2 -Message 'lines are those of a batch like 2026/11/23/<run>/00001.ndjson, not of a run'
            }
            if ($Word[2] -cnotmatch '\A[1-9][0-9]{0,4}(,[1-9][0-9]{0,4}){0,999}\z') {
                Exit-Script -Code 2 -Message 'NUMBERS is not a list of lines like 3,7, from 1 to 10000, at most 1000 of them'
            }
            $document.lines = @($Word[2] -split ',' | ForEach-Object -Process { [int]$_ })
        }
        elseif ($count -eq 3 -and $Word[1] -ceq 'reason') {
            if ($Word[2] -cnotmatch '\A[A-Za-z]{1,40}\z') { Exit-Script -Code 2 -Message 'REASON is not a word like noMailbox' }
            $document.reason = $Word[2]
        }
        elseif ($count -eq 3) { Exit-Script -Code 2 -Message "the words are none of these (infra/command.ps1 -h explains them): $usage" }
    }
    '0:tally' {
        $app = 'import'
        $document = [ordered]@{ kind = 'tally' }
    }
    '1:check' {
        if ($first -cne 'fetch') { Exit-Script -Code 2 -Message "the words are none of these (infra/command.ps1 -h explains them): $usage" }
        $app = 'fetch'
        $document = [ordered]@{ kind = 'check' }
    }
    '2:check' {
        if ($first -cne 'import') { Exit-Script -Code 2 -Message "the words are none of these (infra/command.ps1 -h explains them): $usage" }
        if (-not (Test-Address -Text $Word[1])) { Exit-Script -Code 2 -Message 'MAILBOX is not the address of a mailbox' }
        $app = 'import'
        $document = [ordered]@{ kind = 'check'; mailbox = $Word[1] }
    }
    { @('0:pause', '0:start') -ccontains $_ } { break }
    { @('1:pause', '1:start') -ccontains $_ } {
        if (@('fetch', 'import') -cnotcontains $first) { Exit-Script -Code 2 -Message "the words are none of these (infra/command.ps1 -h explains them): $usage" }
        $apps = @($first)
    }
    '1:answer' {
        if ($first -cnotmatch '\A((fetch|import)/)?[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8,32}\z') {
            Exit-Script -Code 2 -Message 'COMMAND is not the name of a command, like fetch/20261129T131500Z-0123456789abcdef'
        }
    }
    default { Exit-Script -Code 2 -Message "the words are none of these (infra/command.ps1 -h explains them): $usage" }
}

$said = @{
    'pause fetch'  = 'fetch: paused. It stops before its next page, within a minute. What is due is fetched after infra/command.ps1 start fetch.'
    'pause import' = 'import: paused. It stops within two minutes. Batches wait, and are imported after infra/command.ps1 start import.'
    'start fetch'  = 'fetch: started. Its next daily run fetches what is due; infra/command.ps1 run does so at once.'
    'start import' = 'import: started. What waits is imported by the next sweep, within ten minutes.'
}
$turn = @{ fetch = 'five'; import = 'ten' }
$archive = Open-Archive
try {
    if (@('pause', 'start') -ccontains $Action) {
        if ($PSCmdlet.ShouldProcess('settings/connector.json', "$Action $($apps -join ', ')")) {
            Write-Pause -Archive $archive -App $apps -Paused $(if ($Action -ceq 'pause') { 'true' } else { 'false' })
            foreach ($each in $apps) { Write-Output -InputObject $said["$Action $each"] }
        }
    }
    elseif ($Action -ceq 'answer') {
        if ($first.Contains('/')) { $apps = @(($first -split '/')[0]) }
        foreach ($each in $apps) {
            $name = "$each/$(($first -split '/')[-1])"
            $there = Test-Blob -Archive $archive -Container commands -Name "$name.json"
            if ($null -eq $there) {
                Exit-Refused -Archive $archive -Role 'Storage Blob Data Contributor' -Container commands `
                    -Failed 'the command cannot be looked for'
            }
            if ($there) {
                $answer = Read-Answer -Archive $archive -Command $name
                if ($answer.State -ceq 'unread') {
                    Exit-Refused -Archive $archive -Role 'Storage Blob Data Reader' `
                        -Container (Get-AnswerContainer -App $each) -Failed "the answer to $name cannot be read"
                }
                if ($answer.State) { Write-Output -InputObject "$($answer.State)$($answer.Share): $($answer.Says)" }
                else { Write-Output -InputObject "The app $each takes it up within $($turn[$each]) minutes." }
                Write-Outcome -Command $name -Answer $answer
            }
        }
        Exit-Script -Message "there is no command $first"
    }
    elseif ($PSCmdlet.ShouldProcess($app, "command $Action")) {
        $name = Send-ArchiverCommand -Archive $archive -App $app -Document $document
        Write-Output -InputObject $name
        Write-Output -InputObject "The app $app takes it up within $($turn[$app]) minutes."
        Wait-Answer -Archive $archive -Command $name -Rounds $rounds
    }
}
finally {
    Remove-Item -LiteralPath $archive.Folder -Recurse -Force -WhatIf:$false -Confirm:$false
}
