#!/usr/bin/env bash
# The password at the TeleMessage site, if the vault has none yet.
set -euo pipefail

exec "$(dirname "$0")/../password" if-missing
