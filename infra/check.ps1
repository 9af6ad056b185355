#Requires -Version 7.4
<#
.SYNOPSIS
Checks whether both apps reach what they need, and says what to do about each link that does not work.

.DESCRIPTION
The same as infra/check, in PowerShell. MAILBOX is the address of a mailbox in which import writes a test message and
deletes it again; it has to be among those that import may reach (infra/graph). It works while the apps are paused.
Exit codes: 0 every link is ok; 1 one of them is not; 2 the argument is wrong; 3 an app has not answered within 20
minutes. You need the role Storage Blob Data Contributor on the container commands, and Storage Blob Data Reader on
status and reports.

.EXAMPLE
infra/check.ps1 o2-test@contoso.com
#>
[CmdletBinding(SupportsShouldProcess)]
param(
    # The address of a mailbox for a test message.
    [Parameter(Position = 0)][AllowEmptyString()][string]$Mailbox = '',
    # Shows this help, as the word help does.
    [Alias('h')][switch]$Help
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
. "$PSScriptRoot/control.ps1"
if ($Help -or @('help', '--help') -ccontains $Mailbox) {
    Get-Help -Name $PSCommandPath -Detailed
    exit 0
}

$rounds = 80 # of 15 seconds: 20 minutes

if (-not (Test-Address -Text $Mailbox)) {
    Exit-Script -Code 2 -Message ('MAILBOX has to be the address of a mailbox for a test message, and the only word: ' +
        'infra/check.ps1 o2-test@contoso.com')
}
$archive = Open-Archive
try {
    if (-not $PSCmdlet.ShouldProcess('fetch, import', 'command check')) { exit 0 }
    $asked = @{
        fetch  = Send-ArchiverCommand -Archive $archive -App fetch -Document ([ordered]@{ kind = 'check' })
        import = Send-ArchiverCommand -Archive $archive -App import -Document ([ordered]@{ kind = 'check'; mailbox = $Mailbox })
    }
    Write-Output -InputObject $asked.fetch
    Write-Output -InputObject $asked.import
    Write-Output -InputObject 'The apps take them up within ten minutes.'

    # Both are waited for; the rows of the table are kept until then.
    $waiting = @('fetch', 'import')
    $rows = @{}
    $bad = @()
    $code = 0
    $failures = 0
    for ($round = 1; $round -le $rounds; $round++) {
        $waiting = @(foreach ($app in $waiting) {
                $answer = Read-Answer -Archive $archive -Command $asked[$app]
                if ($answer.State -ceq 'unread') {
                    $failures++
                    if ($failures -ge 6) {
                        Exit-Refused -Archive $archive -Role 'Storage Blob Data Reader' `
                            -Container (Get-AnswerContainer -App $app) -Failed "the answer to $($asked[$app]) cannot be read"
                    }
                    $app
                }
                elseif (-not (Test-Final -Answer $answer)) { $app }
                else { $rows[$app] = $answer }
            })
        foreach ($app in @($rows.Keys | Where-Object -FilterScript { $rows[$_] -is [hashtable] })) {
            $answer = $rows[$app]
            Write-Output -InputObject "${app}: $($answer.State)$($answer.Share): $($answer.Says)"
            if ($answer.State -ceq 'done') {
                $rows[$app] = @(Format-Answer -App $app -Answer $answer)
                foreach ($link in $answer.Links) {
                    $state = Get-Text -From $link -Name state
                    if ($state -cne 'ok') { $bad += "${app}:$(Get-Text -From $link -Name link):$state" }
                }
                if ($answer.Links.Count -eq 0 -or $bad.Count -gt 0) { $code = 1 }
            }
            else {
                $rows[$app] = @(Format-Link -Link $app -State $answer.State -Says $answer.Says -Do 'run infra/check.ps1 again')
                $bad += $app
                $code = 1
            }
        }
        if ($waiting.Count -eq 0) { break }
        if ($round -lt $rounds) { Wait-Turn }
    }
    foreach ($app in $waiting) {
        $rows[$app] = @(Format-Link -Link $app -State unknown -Says 'no answer within 20 minutes' `
                -Do "look in the Azure portal whether the app runs; infra/command.ps1 answer $($asked[$app]) shows a later answer")
        if ($code -eq 0) { $code = 3 }
    }

    Write-Output -InputObject ''
    Format-Link -Link LINK -State STATE -Says 'WHAT IT SAYS, AND WHAT TO DO'
    Write-Output -InputObject $rows.fetch
    Write-Output -InputObject $rows.import
    Write-Output -InputObject ''
    if ($code -eq 0) {
        Write-Output -InputObject 'Every link works. Next: infra/command.ps1 start, if import has not been started yet.'
    }
    elseif ($code -eq 1 -and "$bad" -ceq 'import:events:unknown') {
        Write-Output -InputObject ('Every link works but for the events, of which none has come yet. Next: infra/command.ps1 run, and ' +
            'infra/check.ps1 once fetch has written a batch; or infra/command.ps1 start now: what no event announces is imported by ' +
            'sweep, within ten minutes.')
    }
    else {
        Write-Output -InputObject ('Next: do what the table says, and run infra/check.ps1 again. Do not start import before every ' +
            'link works.')
    }
    exit $code
}
finally {
    Remove-Item -LiteralPath $archive.Folder -Recurse -Force -WhatIf:$false -Confirm:$false
}
