#!/usr/bin/env bash
# The password at the TeleMessage site, if the vault has none yet.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../environment.sh
. "$(dirname "$0")/../environment.sh"

# Once is enough: a vault that is there can't be brought back.
if [ "${RECOVER_VAULT:-false}" = true ]; then
  azd env set RECOVER_VAULT false
fi
exec "$(dirname "$0")/../password" if-missing
