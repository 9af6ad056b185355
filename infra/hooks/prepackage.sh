#!/usr/bin/env bash
# The zips that are deployed, and whether they are what their checksums say. Before `azd package`, which is part of `azd up`, before
# `azd deploy`, which packages by itself, and in infra/deploy.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../environment.sh
. "$(dirname "$0")/../environment.sh"

need_tool go
need_tool make
cd "$(dirname "$0")/../.."
make package
cd build
# macOS has no sha256sum.
if command -v sha256sum >/dev/null; then
  sha256sum --check --quiet SHA256SUMS
else
  shasum --algorithm 256 --check --quiet SHA256SUMS
fi
