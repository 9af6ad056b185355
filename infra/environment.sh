# shellcheck shell=bash
# For the scripts beside this file, which source it: the values of the azd environment. In a hook, and after those of infra/deploy were
# loaded, they are there already.
if [ -z "${AZURE_RESOURCE_GROUP:-}" ] && command -v azd >/dev/null; then
  for name in AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP ARCHIVE_ACCOUNT EVENT_TOPIC FETCH_APP FETCH_VAULT FETCH_SECRET IMPORT_APP IMPORT_HOST TELEMESSAGE_USERNAME; do
    value=$(azd env get-value "$name") || continue # not there yet; who needs it says so
    export "$name=$value"
  done
fi
: "${AZURE_SUBSCRIPTION_ID:?is not set: run azd up first, or azd env select; without azd load the names that infra/deploy has written}"
: "${AZURE_RESOURCE_GROUP:?is not set: run azd up first, or azd env select; without azd load the names that infra/deploy has written}"
# shellcheck disable=SC2034 # for the scripts that source this
group="/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/$AZURE_RESOURCE_GROUP"

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# So that a test need not wait.
nap() { sleep "${ARCHIVER_NAP:-$1}"; }
