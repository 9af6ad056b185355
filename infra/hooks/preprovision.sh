#!/usr/bin/env bash
# Before anything is made: has the source of items what it needs? Is az signed in, and to the subscription that is deployed to? Does the
# region offer Flex Consumption? `azd up` has asked for both by now; `azd provision` in a new environment asks only after this, so that they
# are not known yet.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../environment.sh
. "$(dirname "$0")/../environment.sh"

# Where items come from. What infra/deploy can't read, it calls an expression: that is Bicep's to read, and not checked.
case ${SOURCE:-telemessage} in
  telemessage)
    [ "${TELEMESSAGE_URL:-}" != none ] ||
      fail "TELEMESSAGE_URL is none, and SOURCE is not delivery: azd env set SOURCE delivery, or give the address of the site"
    ;;
  delivery)
    case ${DELIVERY_SFTP_HOST:-}/${LANDING:-false} in
      /false)
        fail "with SOURCE delivery fetch needs a place to look for ZIPs: set DELIVERY_SFTP_HOST, or set LANDING to true for the landing account" \
          "(infra/delivery.md)"
        ;;
      /* | '(an expression)'/*) ;;
      */true) fail "DELIVERY_SFTP_HOST and LANDING are both set, and fetch reads one of them: leave one out" ;;
    esac
    if [ -n "${DELIVERY_SFTP_HOST:-}" ]; then
      [ -n "${DELIVERY_SFTP_USERNAME:-}" ] || fail "DELIVERY_SFTP_USERNAME is missing: the name with which fetch signs in at the SFTP server"
      [ -n "${DELIVERY_SFTP_HOST_KEYS:-}" ] ||
        echo "preprovision: DELIVERY_SFTP_HOST_KEYS is empty, so that fetch reads nothing yet: infra/command check fetch will show the server's" \
          "key, and infra/delivery.md says what to compare it with" >&2
    elif [ "${PRIVATE_NETWORK:-false}" = true ] && [ -z "${VENDOR_ADDRESSES:-}" ]; then
      echo "preprovision: VENDOR_ADDRESSES is empty, so that the vendor reaches the landing account from inside of the network only" >&2
    fi
    ;;
  '(an expression)') ;;
  *) fail "SOURCE is neither telemessage nor delivery" ;;
esac

if [ "${PORTAL:-false}" = true ] && [ -z "${OPERATORS:-}" ]; then
  echo "preprovision: OPERATORS is empty, so that no one reaches the page of the portal: azd env set OPERATORS <addresses, separated by commas>" >&2
fi

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
