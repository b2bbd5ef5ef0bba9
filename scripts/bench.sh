#!/usr/bin/env bash
# Measures the cost of a delivery on the services that `make services-up` started; arguments go to the program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
[ -e .services/env ] && { set -a; . .services/env; set +a; }
go build -o bin/bench ./scripts/bench
exec bin/bench "$@"
