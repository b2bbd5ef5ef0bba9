#!/usr/bin/env bash
# Measures what a webhook costs its neighbours under load, on the services that `make services-up` started; arguments go
# to the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
[ -e .services/env ] && { set -a; . .services/env; set +a; }
go build -o bin/load ./scripts/load
exec bin/load "$@"
