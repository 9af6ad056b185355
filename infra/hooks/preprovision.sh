#!/usr/bin/env bash
# Before anything is made: is az signed in, and to the subscription that azd deploys to?
set -euo pipefail

command -v az >/dev/null || { echo "preprovision: az is not on PATH: https://learn.microsoft.com/cli/azure/install-azure-cli" >&2; exit 1; }
az account show --subscription "${AZURE_SUBSCRIPTION_ID:?}" --output none ||
  { echo "preprovision: az can't see the subscription: az login, in the cloud that azd deploys to (az cloud show)" >&2; exit 1; }

# The apps' subnets are handed over to this provider, which has to be known to the subscription first.
if [ "${PRIVATE_NETWORK:-false}" = true ]; then
  az provider register --namespace Microsoft.App --subscription "$AZURE_SUBSCRIPTION_ID" --wait
fi
