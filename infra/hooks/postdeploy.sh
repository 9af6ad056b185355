#!/usr/bin/env bash
# Hands BlobCreated to the import app. The webhook's key exists only once the app runs, so Bicep can't do it. May be run at any time,
# any number of times.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../environment.sh
. "$(dirname "$0")/../environment.sh"

load_environment IMPORT_APP EVENT_TOPIC ARCHIVE_ACCOUNT IMPORT_HOST
app="$group/providers/Microsoft.Web/sites/$IMPORT_APP"
subscription="$group/providers/Microsoft.EventGrid/systemTopics/$EVENT_TOPIC/eventSubscriptions/import?api-version=2022-06-15"
archive="$group/providers/Microsoft.Storage/storageAccounts/$ARCHIVE_ACCOUNT"
endpoint="https://$IMPORT_HOST/runtime/webhooks/blobs"

# The host makes the key when it starts for the first time, which takes it a minute or two.
key=
for _ in {1..30}; do
  key=$(az rest --method post --url "$app/host/default/listkeys?api-version=2024-04-01" --query systemKeys.blobs_extension --output tsv) || key=
  [ "$key" != None ] || key=
  [ -z "$key" ] || break
  echo "Waiting for the import app to start …"
  nap 10
done
[ -n "$key" ] || fail "the import app has no key blobs_extension after five minutes: does it start? See \"An app does not start\" in infra/runbook.md"
key=${key//+/%2B}
key=${key//\//%2F}
key=${key//=/%3D}

# Through standard input: arguments are there for everybody on this machine to read, and the key is a password.
body() {
  cat <<JSON
{"properties": {
  "destination": {"endpointType": "WebHook", "properties": {
    "endpointUrl": "$endpoint?functionName=Host.Functions.import&code=$key",
    "maxEventsPerBatch": 1, "preferredBatchSizeInKilobytes": 64}},
  "filter": {
    "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
    "subjectBeginsWith": "/blobServices/default/containers/batches/", "subjectEndsWith": ".ndjson"},
  "eventDeliverySchema": "EventGridSchema",
  "retryPolicy": {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440},
  "deadLetterWithResourceIdentity": {
    "identity": {"type": "SystemAssigned"},
    "deadLetterDestination": {"endpointType": "StorageBlob", "properties": {"resourceId": "$archive", "blobContainerName": "deadletters"}}}
}}
JSON
}

# Event Grid asks the app whether it wants the events, and gives up soon if the app is cold.
for try in {1..6}; do
  if body | az rest --method put --url "$subscription" --body @- --output none; then
    break
  fi
  [ "$try" -lt 6 ] || fail "Event Grid does not take the subscription; its answer is above: run azd deploy (or infra/deploy) again"
  nap 20
done

state='' where=''
for _ in {1..30}; do
  # A question that fails is asked again.
  state=$(az rest --method get --url "$subscription" --query properties.provisioningState --output tsv) || state=unknown
  case $state in
    Succeeded)
      where=$(az rest --method get --url "$subscription" --query properties.destination.properties.endpointBaseUrl --output tsv) && break
      ;;
    Failed | Canceled | AwaitingManualAction) break ;;
  esac
  nap 5
done
[ "$state" = Succeeded ] || fail "the event subscription is $state: the import app did not confirm it: run azd deploy (or infra/deploy) again"
[ "$where" = "$endpoint" ] || fail "the event subscription goes to $where, not to $endpoint: run azd deploy (or infra/deploy) again"
echo "New batches are handed to the import app."
