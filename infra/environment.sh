# shellcheck shell=bash
# For the scripts of this folder, which source it first: their help, their errors, and the names of the deployment's resources.

# The comment at the top of a script is its help. Nothing else is done then.
case ${1:-} in
  -h | --help | help)
    awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"
    exit 0
    ;;
esac

# fail ends the script with an error.
fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# need_az and need_tool end the script if a program is not installed.
need_az() { command -v az >/dev/null || fail "az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli"; }
need_tool() { command -v "$1" >/dev/null || fail "$1 is not on PATH: install it, and run this again"; }

# need_values ends the script if one of the names has no value.
need_values() { # NAME...
  local name missing=''
  for name; do
    [ -n "${!name:-}" ] || missing="${missing:+$missing, }$name"
  done
  [ -z "$missing" ] || fail "not set: $missing; run azd env select or azd env refresh, or, without azd, export each of them, as" \
    "infra/operations.md says (\"The names of the resources\")"
}

# load_environment takes the names of the resources from the azd environment, and sets group. In a hook, and after those of infra/deploy
# were loaded, they are there already. The script ends if one of those that it asks for is missing.
load_environment() { # NAME...
  local name value
  if [ -z "${AZURE_RESOURCE_GROUP:-}" ] && command -v azd >/dev/null; then
    for name in AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP ARCHIVE_ACCOUNT EVENT_TOPIC FETCH_APP FETCH_VAULT FETCH_SECRET FETCH_SECRETS IMPORT_APP IMPORT_HOST PORTAL_APP PORTAL_HOST PORTAL_PRINCIPAL_ID PORTAL_VAULT PORTAL_CLIENT_ID PORTAL_CREDENTIAL TELEMESSAGE_USERNAME DELIVERY_SFTP_HOST DELIVERY_SFTP_USERNAME; do
      value=$(azd env get-value "$name" 2>/dev/null) || continue # need_values says what to do
      export "$name=$value"
    done
  fi
  need_values AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP "$@"
  need_az
  # shellcheck disable=SC2034 # for the scripts that source this
  group="/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/$AZURE_RESOURCE_GROUP"
}

# Secrets of a vault, FETCH_VAULT unless another is named, by way of Azure's management: it lets no one read them back, and reaches a vault that is behind a private
# endpoint too.
secrets_api='api-version=2023-07-01'

# count_secret prints 1 if the vault has the secret, else 0.
count_secret() { # NAME [VAULT]
  az rest --method get --url "$group/providers/Microsoft.KeyVault/vaults/${2:-$FETCH_VAULT}/secrets?$secrets_api" \
    --query "length(value[?name=='$1'])" --output tsv
}

# store_secret stores a text of one or more lines. It is the argument of no program.
store_secret() { # NAME TEXT [VAULT]
  local text=$2 vault=${3:-$FETCH_VAULT}
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  printf '{"properties":{"value":"%s"}}' "$text" |
    az rest --method put --url "$group/providers/Microsoft.KeyVault/vaults/$vault/secrets/$1?$secrets_api" --body @- --output none
}

# read_secret sets secret to a line of the terminal, which does not show it, or of standard input.
read_secret() { # WHAT SCRIPT
  secret=''
  [ ! -t 0 ] || printf '%s: ' "$1" >&2
  IFS= read -rs secret || [ -n "$secret" ] || fail "no password was given: run $2"
  [ ! -t 0 ] || echo >&2
  [ -n "$secret" ] || fail "the password is empty, and was not written: run $2 again"
  need_plain "$secret" "$2"
}

# need_plain ends the script if a password holds what none can.
need_plain() { # TEXT SCRIPT
  case $1 in
    *[[:cntrl:]]*) fail "the password holds a control character, and was not written: run $2 again" ;;
  esac
}

# So that a test need not wait.
nap() { sleep "${ARCHIVER_NAP:-$1}"; }
