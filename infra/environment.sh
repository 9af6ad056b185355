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
    for name in AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP ARCHIVE_ACCOUNT EVENT_TOPIC FETCH_APP FETCH_VAULT FETCH_SECRET IMPORT_APP IMPORT_HOST TELEMESSAGE_USERNAME; do
      value=$(azd env get-value "$name" 2>/dev/null) || continue # need_values says what to do
      export "$name=$value"
    done
  fi
  need_values AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP "$@"
  need_az
  # shellcheck disable=SC2034 # for the scripts that source this
  group="/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/$AZURE_RESOURCE_GROUP"
}

# So that a test need not wait.
nap() { sleep "${ARCHIVER_NAP:-$1}"; }
