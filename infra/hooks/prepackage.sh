#!/usr/bin/env bash
# The zips that are deployed, and whether they are what their checksums say.
set -euo pipefail

cd "$(dirname "$0")/../.."
make package
cd build
sha256sum --check --quiet SHA256SUMS
