#!/usr/bin/env bash
# Before anything is made: is az signed in, and to the subscription that is deployed to? Does the region offer Flex Consumption? `azd up` has
# asked for both by now; `azd provision` in a new environment asks only after this, so that they are not known yet.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../environment.sh
. "$(dirname "$0")/../environment.sh"

on_subscription() { az "$@" ${AZURE_SUBSCRIPTION_ID:+--subscription "$AZURE_SUBSCRIPTION_ID"}; }

need_az
on_subscription account show --output none ||
  fail "az can't see the subscription: az login, in the cloud that is deployed to (az cloud show)"

# A region without Flex Consumption is refused only after everything else in it has been made.
if [ -n "${AZURE_LOCATION:-}" ]; then
  if regions=$(on_subscription functionapp list-flexconsumption-locations --query '[].name' --output tsv); then
    regions=$(tr -d ' \r' <<<"$regions" | tr '[:upper:]' '[:lower:]')
    grep -qxF -- "$AZURE_LOCATION" <<<"$regions" ||
      fail "$AZURE_LOCATION does not offer Flex Consumption. These regions do: $(tr '\n' ' ' <<<"${regions:-none in this cloud}")"
  else
    echo "preprovision: az can't list the regions that offer Flex Consumption (it has to be 2.60 or newer), so $AZURE_LOCATION is not checked" >&2
  fi
fi

# The apps' subnets are handed over to this provider, which has to be known to the subscription first.
if [ "${PRIVATE_NETWORK:-false}" = true ]; then
  on_subscription provider register --namespace Microsoft.App --wait ||
    fail "the provider Microsoft.App is not registered: az's answer is above; an Owner or Contributor of the subscription runs this again"
fi
