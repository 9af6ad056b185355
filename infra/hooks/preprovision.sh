#!/usr/bin/env bash
# Before anything is made: is az signed in, and to the subscription that azd deploys to? In a new environment azd asks for the subscription
# only after this, so that it is not known yet.
set -euo pipefail

command -v az >/dev/null || { echo "preprovision: az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli" >&2; exit 1; }
az account show ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"} --output none ||
  { echo "preprovision: az can't see the subscription: az login, in the cloud that azd deploys to (az cloud show)" >&2; exit 1; }

# The apps' subnets are handed over to this provider, which has to be known to the subscription first.
if [ "${PRIVATE_NETWORK:-false}" = true ]; then
  az provider register --namespace Microsoft.App ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"} --wait
fi

# azd asks for the address although an action group makes it needless.
if [ -n "${ACTION_GROUP_ID:-}" ] && [ -z "${ALERT_EMAIL:-}" ]; then
  azd env set ALERT_EMAIL none
fi
