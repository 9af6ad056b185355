#!/usr/bin/env bash
# What fetch signs in with at its source, if the vault has none yet: the password at the TeleMessage site, or key and password at the SFTP
# server. And the sign-in to the portal, if there is one: the address of its page is known now.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../environment.sh
. "$(dirname "$0")/../environment.sh"

# Once is enough: a vault that is there can't be brought back.
if [ "${RECOVER_VAULT:-false}" = true ]; then
  azd env set RECOVER_VAULT false
fi
# The names of the secrets that fetch reads; before there were several there was one.
secrets=,${FETCH_SECRETS-telemessage-password},
case $secrets in *,telemessage-password,*) "$(dirname "$0")/../password" if-missing ;; esac
case $secrets in *,delivery-sftp-*) "$(dirname "$0")/../sftp-secret" if-missing ;; esac
"$(dirname "$0")/../portal-app" if-possible
