# shellcheck shell=bash
# For command and check, which source it: the commands that the apps take up from storage, and their answers. It is for bash 3.2 as well,
# which macOS has.
# shellcheck disable=SC2034 # for the scripts that source this

rounds=${ARCHIVER_ROUNDS:-80} # of 15 seconds: 20 minutes. A test waits for fewer
contributor='Storage Blob Data Contributor'
reader='Storage Blob Data Reader'

# instant prints a date, which is its first moment in UTC, or an RFC 3339 time, as RFC 3339 in UTC. It fails if the text is neither. (date
# of macOS and that of Linux read times in different ways.)
instant() {
  local LC_ALL=C year month day hour minute second hours minutes offset=0 days seconds
  local form='^(20[0-9][0-9])-([0-9][0-9])-([0-9][0-9])([Tt]([0-9][0-9]):([0-9][0-9]):([0-9][0-9])([Zz]|([+-])([0-9][0-9]):([0-9][0-9])))?$'
  [[ $1 =~ $form ]] || return 1
  year=$((10#${BASH_REMATCH[1]})) month=$((10#${BASH_REMATCH[2]})) day=$((10#${BASH_REMATCH[3]}))
  hour=$((10#${BASH_REMATCH[5]:-0})) minute=$((10#${BASH_REMATCH[6]:-0})) second=$((10#${BASH_REMATCH[7]:-0}))
  if [ "$month" -gt 12 ] || [ "$hour" -gt 23 ] || [ "$minute" -gt 59 ] || [ "$second" -gt 59 ]; then
    return 1
  fi
  if [ -n "${BASH_REMATCH[9]:-}" ]; then
    hours=$((10#${BASH_REMATCH[10]})) minutes=$((10#${BASH_REMATCH[11]}))
    if [ "$hours" -gt 23 ] || [ "$minutes" -gt 59 ]; then
      return 1
    fi
    offset=$((hours * 3600 + minutes * 60))
    [ "${BASH_REMATCH[9]}" = + ] || offset=$((-offset))
  fi

  # Since 1 March of the year 0: a leap day is then the last day of its year.
  [ "$month" -gt 2 ] || year=$((year - 1))
  days=$(((153 * ((month + 9) % 12) + 2) / 5 + day - 1 + year * 365 + year / 4 - year / 100 + year / 400))
  set_day "$days"
  if [ "$day_month" -ne "$month" ] || [ "$day_day" -ne "$day" ]; then
    return 1 # there is no such day
  fi
  seconds=$((days * 86400 + hour * 3600 + minute * 60 + second - offset))
  set_day $((seconds / 86400))
  seconds=$((seconds % 86400))
  printf '%04d-%02d-%02dT%02d:%02d:%02dZ\n' "$day_year" "$day_month" "$day_day" \
    $((seconds / 3600)) $((seconds / 60 % 60)) $((seconds % 60))
}

# set_day sets day_year, day_month and day_day to the day that is so many days after 1 March of the year 0.
set_day() {
  local era=$(($1 / 146097)) of_era=$(($1 % 146097)) year of_year month
  year=$(((of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365))
  of_year=$((of_era - year * 365 - year / 4 + year / 100))
  month=$(((5 * of_year + 2) / 153))
  day_day=$((of_year - (153 * month + 2) / 5 + 1))
  day_month=$(((month + 2) % 12 + 1))
  day_year=$((era * 400 + year))
  [ "$day_month" -gt 2 ] || day_year=$((day_year + 1))
}

# is_address fails if the text can't be the address of a mailbox. What passes needs no escapes in JSON.
is_address() {
  local LC_ALL=C form="^[A-Za-z0-9.!#\$%&'*+/=?^_\`{|}~-]+@[A-Za-z0-9.-]+\$"
  [ "${#1}" -le 254 ] && [[ $1 =~ $form ]]
}

# open_archive sets at to the flags by which az reaches the archive, and makes a folder for files, which the end of the script removes.
open_archive() {
  load_environment ARCHIVE_ACCOUNT
  at=(--account-name "$ARCHIVE_ACCOUNT" --auth-mode login --only-show-errors)
  umask 077
  folder=$(mktemp -d "${TMPDIR:-/tmp}/o2archiver.XXXXXXXX") || fail "no folder for files can be made in ${TMPDIR:-/tmp}"
  trap 'rm -rf "$folder"' EXIT
}

# ask_az runs az. Its standard error is kept for explain if it fails.
ask_az() {
  if az "$@" 2>"$folder/stderr"; then
    return
  fi
  mv -f "$folder/stderr" "$folder/refusal"
  return 1
}

# explain ends the script with the reason why az failed the last time, and what to do about it.
explain() { # ROLE CONTAINER WHAT-FAILED
  local LC_ALL=C text last
  text=$(cat "$folder/refusal")
  last=$(printf '%s' "$text" | tr '[:cntrl:]' '\n' | sed -n '/[^ ]/p' | tail -n 1 | cut -c 1-500)
  case $text in
    *"az login"* | *AADSTS* | *"No subscription found"* | *"Authentication failure"* | *AuthenticationFailed* | *InvalidAuthenticationInfo*)
      fail "$3, because az is not signed in, or no longer, or to another tenant: run az login, in the cloud" \
        "that az cloud show names, which has to be that of the archive"
      ;;
    *"required permissions"* | *AuthorizationPermissionMismatch*) need_role "$@" ;;
    *"network rules"* | *AuthorizationFailure* | *PublicAccessNotPermitted*)
      fail "$3, because the firewall of the storage account $ARCHIVE_ACCOUNT does not admit this machine: with a private network run this" \
        "from a machine in that network, or add your address to operators (infra/deploying.md) and deploy"
      ;;
    *ContainerNotFound* | *"container does not exist"*)
      fail "$3, because the storage account $ARCHIVE_ACCOUNT has no container $2: correct ARCHIVE_ACCOUNT, which has to be the archive's" \
        "account in the resource group $AZURE_RESOURCE_GROUP"
      ;;
    *"Failed to resolve 'login."* | *"host='login."*)
      fail "$3, because this machine does not reach the sign-in of Azure: check its network, DNS and proxy"
      ;;
    *"Failed to resolve"* | *"Name or service not known"* | *getaddrinfo* | *"nodename nor servname"* | *"name resolution"*)
      fail "$3, because DNS does not know the storage account $ARCHIVE_ACCOUNT: correct ARCHIVE_ACCOUNT, which has to be the archive's" \
        "account in the resource group $AZURE_RESOURCE_GROUP, or, if it is that, the network and DNS of this machine"
      ;;
    *"Max retries exceeded"* | *"Connection aborted"* | *"timed out"* | *"Connection refused"* | *"Connection reset"* | *unreachable* | \
      *"establish a new connection"* | *ProxyError* | *CERTIFICATE_VERIFY_FAILED*)
      fail "$3, because this machine does not reach the storage account $ARCHIVE_ACCOUNT: check its network and proxy, and with a private" \
        "network run this from a machine in that network; az says: $last"
      ;;
  esac
  fail "$3${last:+; az says: $last}"
}

# need_role says which role is missing, and how to get it, and ends the script.
need_role() { # ROLE CONTAINER WHAT-FAILED
  # shellcheck disable=SC2154 # load_environment sets group
  cat >&2 <<TEXT
${0##*/}: $3, because you do not have the role $1 on the container $2. A person who may assign roles
(Owner, User Access Administrator) runs this, for others than themselves with their object id:
  az role assignment create --assignee "\$(az ad signed-in-user show --query id --output tsv)" \\
    --role "$1" \\
    --scope "$group/providers/Microsoft.Storage/storageAccounts/$ARCHIVE_ACCOUNT/blobServices/default/containers/$2"
It takes effect within ten minutes.
TEXT
  exit 1
}

is_there() { # CONTAINER BLOB
  ask_az storage blob exists "${at[@]}" --container-name "$1" --name "$2" --query exists --output tsv
}

# send writes the file command of the folder as a command, and sets name to <app>/<time>-<id>. The content is no argument: everybody on
# this machine can read those.
send() { # APP
  local id
  id=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
  [ "${#id}" -eq 16 ] || fail "/dev/urandom has no random numbers"
  name=$1/$(date -u +%Y%m%dT%H%M%SZ)-$id
  if ! ask_az storage blob upload "${at[@]}" --container-name commands --name "$name.json" --file "$folder/command" \
    --no-progress --output none; then
    # Its answer may have been lost on the way. No other command has this name.
    [ "$(is_there commands "$name.json")" = true ] || explain "$contributor" commands "the command was not written"
  fi
  echo "$name"
}

# place_of prints the container of an app's answers, turn_of the minutes after which the app looks for commands again.
place_of() { case $1 in fetch) echo status ;; import) echo reports ;; esac; }
turn_of() { case $1 in fetch) echo five ;; import) echo ten ;; esac; }

# poll reads the answer to a command. state is empty as long as there is none.
poll() { # <app>/<name>
  local place there
  place=$(place_of "${1%%/*}") state=''
  there=$(is_there "$place" "answers/${1#*/}.json") || return 1
  [ "$there" = true ] || return 0
  ask_az storage blob download "${at[@]}" --container-name "$place" --name "answers/${1#*/}.json" --file "$folder/answer" \
    --no-progress --output none || return 1
  if ! read_answer "$folder/answer"; then
    echo "${0##*/}: the answer to $1 is not of the form of one" >&2
    : >"$folder/refusal" # it is not az's
    return 1
  fi
}

# read_answer sets state, says, done and of, and for each of the links, from 0 on: link, link_state, link_says and link_do.
read_answer() { # FILE
  local LC_ALL=C text word key='' value='' depth=0 within=''
  # In brackets a backslash is itself.
  local token='^[[:space:]]*("([^"\[:cntrl:]]|\\.)*"|[][{}:,]|[A-Za-z0-9.+-]+)'
  state='' says='' done=0 of=0 links=0 link=() link_state=() link_says=() link_do=()
  text=$(cat "$1")
  while [[ $text =~ $token ]]; do
    word=${BASH_REMATCH[1]}
    text=${text:${#BASH_REMATCH[0]}}
    case $word in
      :) key=$value value='' ;;
      '{' | '[')
        depth=$((depth + 1))
        [ "$depth" -ne 2 ] || within=$key
        key='' value=''
        ;;
      , | '}' | ']')
        case $depth$within$key in
          '1"state"') state=$(plain "$value") ;;
          '1"says"') says=$(plain "$value") ;;
          '1"done"') done=$(plain "$value") ;;
          '1"of"') of=$(plain "$value") ;;
          '3"links""link"') link[links]=$(plain "$value") ;;
          '3"links""state"') link_state[links]=$(plain "$value") ;;
          '3"links""says"') link_says[links]=$(plain "$value") ;;
          '3"links""do"') link_do[links]=$(plain "$value") ;;
        esac
        key='' value=''
        if [ "$word" = '}' ] && [ "$depth$within" = '3"links"' ]; then
          links=$((links + 1))
        fi
        [ "$word" = , ] || depth=$((depth - 1))
        [ "$depth" -gt 1 ] || within=''
        ;;
      *) value=$word ;;
    esac
  done
  [[ $text =~ ^[[:space:]]*$ ]] && [ "$depth" -eq 0 ] && [ -n "$state" ]
}

# plain prints the text of a JSON string. A character that could move the cursor of a terminal becomes a blank.
plain() {
  local LC_ALL=C rest=$1 text='' code
  rest=${rest#\"}
  rest=${rest%\"}
  while [[ $rest == *\\* ]]; do
    text=$text${rest%%\\*}
    rest=${rest#*\\}
    case $rest in
      u00[2-7][0-9A-Fa-f]*)
        printf -v code '%b' "\\x${rest:3:2}"
        text=$text$code rest=${rest:5}
        ;;
      u*) text="$text?" rest=${rest:5} ;;
      [bfnrt]*) text="$text " rest=${rest:1} ;;
      *) text=$text${rest:0:1} rest=${rest:1} ;;
    esac
  done
  text=$text$rest
  printf '%s\n' "${text//[[:cntrl:]]/ }"
}

# is_final reports whether nothing more is done for the command.
is_final() { case $state in done | refused | failed) ;; *) return 1 ;; esac; }

# progress prints the answer in one line.
progress() {
  local count=''
  [ "$of" = 0 ] || count=" ($done of $of)"
  printf '%s\n' "$state$count: $says"
}

# header and row print the table of links. What helps is the second line of a row.
header() { printf '%-17s %-8s %s\n' LINK STATE 'WHAT IT SAYS, AND WHAT TO DO'; }
row() { # LINK STATE SAYS DO
  printf '%-17s %-8s %s\n' "$1" "$2" "$3"
  [ -z "$4" ] || printf '%-26s do: %s\n' '' "$4"
}

# rows prints the links of the answer. It fails if one of them is not ok, or if there is none.
rows() { # APP
  local i good=0
  for ((i = 0; i < links; i++)); do
    row "$1 ${link[i]:-}" "${link_state[i]:-}" "${link_says[i]:-}" "${link_do[i]:-}"
    [ "${link_state[i]:-}" != ok ] || good=$((good + 1))
  done
  [ "$links" -gt 0 ] && [ "$good" -eq "$links" ]
}
