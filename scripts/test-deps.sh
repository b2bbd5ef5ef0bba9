#!/usr/bin/env bash
# What the tests run besides the Go command and the services: installed on Debian when root, named in one
# line where it is missing otherwise.
set -euo pipefail

# shellcheck source=lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

# Real Kafka clients against the embedded broker; the signature check in other languages; the dashboard
# in a browser.
need 'go test' gcc:build-essential kcat:kcat python3:python3 node:nodejs chromium:chromium
