#!/usr/bin/env bash
# Real Kafka, Redis and PostgreSQL for tests, on free loopback ports, with everything they write below one
# directory.
#
#   services.sh up             start what is missing or ill, write the addresses to DIR/env
#   services.sh down           stop what this started and remove its data
#   services.sh status         a line per service
#   services.sh start NAME     start a service again on its own data and port: kafka-1, redis, postgres
#   services.sh stop NAME      stop it in order, keeping its data
#   services.sh kill NAME      kill -9, keeping its data
#
# SERVICES_DIR            where they live (default: .services in the checkout)
# SERVICES_CACHE          where Kafka's jars are kept (default: .services/cache in the checkout)
# SERVICES_KAFKA_BROKERS  how many brokers form the cluster, 1 to 3 (default 1)
# SERVICES_KAFKA_PROXIES  how many more listeners each broker has whose advertised address is that of a proxy,
#                         0 to 4 (default 0); DIR/kafka-N/proxies has a line for each: its port, the proxy's port
#
# Where DISPATCHER_TEST_KAFKA, DISPATCHER_TEST_REDIS or DISPATCHER_TEST_DATABASE is set, that one is used
# and none is started.
set -euo pipefail

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
ROOT=${SERVICES_DIR:-$SCRIPTS/../.services}
SERVICES_CACHE=${SERVICES_CACHE:-$SCRIPTS/../.services/cache}
BROKERS=${SERVICES_KAFKA_BROKERS:-1}
PROXIES=${SERVICES_KAFKA_PROXIES:-0}

# shellcheck source=lib/common.sh
. "$SCRIPTS/lib/common.sh"
# shellcheck source=lib/kafka.sh
. "$SCRIPTS/lib/kafka.sh"
# shellcheck source=lib/redis.sh
. "$SCRIPTS/lib/redis.sh"
# shellcheck source=lib/postgres.sh
. "$SCRIPTS/lib/postgres.sh"

main() {
  case $BROKERS in [1-3]) ;; *) fail "SERVICES_KAFKA_BROKERS must be 1, 2 or 3, is $BROKERS" ;; esac
  case $PROXIES in [0-4]) ;; *) fail "SERVICES_KAFKA_PROXIES must be 0 to 4, is $PROXIES" ;; esac
  mkdir -p "$ROOT" "$SERVICES_CACHE"
  ROOT=$(cd "$ROOT" && pwd -P)
  SERVICES_CACHE=$(cd "$SERVICES_CACHE" && pwd -P)
  case ${1:-} in
    up | down)
      # One at a time for this directory: two runs must not start the same services twice.
      exec 9>"$ROOT/lock"
      flock -w 600 9 || fail "another run holds $ROOT/lock"
      "$1"
      ;;
    status) status ;;
    start | stop | kill) one "$1" "${2:-}" ;;
    *) fail "usage: services.sh up|down|status, or start|stop|kill NAME" ;;
  esac
}

# up: the three services start side by side; each that cannot be had says why in one line.
up() {
  local begun=$SECONDS failed=0 job jobs=()
  packages || return
  for job in up_kafka up_redis up_postgres; do
    "$job" &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do
    wait "$job" || failed=1
  done
  [ "$failed" = 0 ] || return 1
  write_env
  say "ready after $((SECONDS - begun)) s; addresses in $ROOT/env"
}

# packages installs what the services to be started need, one after the other: apt-get has one lock.
packages() {
  [ -n "${DISPATCHER_TEST_KAFKA:-}" ] || kafka_need || return
  [ -n "${DISPATCHER_TEST_REDIS:-}" ] || redis_need || return
  [ -n "${DISPATCHER_TEST_DATABASE:-}" ] || postgres_need || return
}

up_redis() {
  if [ -n "${DISPATCHER_TEST_REDIS:-}" ]; then
    given DISPATCHER_TEST_REDIS 6379
    return
  fi
  redis_healthy "$ROOT/redis" && return
  redis_stop "$ROOT/redis"
  attempts redis_create "$ROOT/redis"
}

up_postgres() {
  if [ -n "${DISPATCHER_TEST_DATABASE:-}" ]; then
    given DISPATCHER_TEST_DATABASE 5432
    return
  fi
  postgres_healthy "$ROOT/postgres" && return
  postgres_stop "$ROOT/postgres"
  attempts postgres_create "$ROOT/postgres"
}

up_kafka() {
  local node
  if [ -n "${DISPATCHER_TEST_KAFKA:-}" ]; then
    given DISPATCHER_TEST_KAFKA 9092
    return
  fi
  kafka_fetch || return
  kafka_all_healthy && return
  for node in "$ROOT"/kafka-*; do
    kafka_stop "$node"
    rm -rf "$node"
  done
  attempts kafka_create "$ROOT" "$BROKERS"
}

# kafka_all_healthy: as many nodes as wanted exist, and each of them answers.
kafka_all_healthy() {
  local nodes node
  nodes=("$ROOT"/kafka-*)
  [ ${#nodes[@]} = "$BROKERS" ] || return 1
  for node in "${nodes[@]}"; do
    kafka_healthy "$node" || return 1
  done
}

# attempts CREATE DIR [COUNT]: create, start and await a service; when somebody else got its port in the
# moment between, again with another port.
attempts() {
  local create=$1 kind=${1%_create} dirs dir left
  for left in 2 1 0; do
    "$create" "${@:2}" || return
    dirs=("$2")
    [ "$kind" != kafka ] || dirs=("$2"/kafka-*)
    for dir in "${dirs[@]}"; do
      "${kind}_spawn" "$dir"
    done
    await_all "$kind" "$left" "${dirs[@]}" && return
    [ "$?" = 2 ] || return 1
  done
}

# await_all KIND LEFT DIR...: 0 when all are ready; 2 when a port was taken and another try is LEFT.
await_all() {
  local kind=$1 left=$2 dir other failure
  shift 2
  for dir in "$@"; do
    failure=$("${kind}_await" "$dir" 2>&1) && continue
    for other in "$@"; do "${kind}_stop" "$other"; done
    [ "$left" = 0 ] || ! port_was_taken "$dir" || return 2
    printf '%s\n' "$failure" >&2
    return 1
  done
}

# given VARIABLE PORT: a service that the caller brought must at least accept connections.
given() {
  local name=$1 address=${!1} port=$2
  address=${address#*://}
  address=${address##*@}
  address=${address%%[/?,]*}
  case $address in
    *:*) port=${address##*:} address=${address%:*} ;;
  esac
  reachable "${address:-127.0.0.1}" "$port" || fail "$name: nobody answers at ${address:-127.0.0.1}:$port"
}

# write_env: what tests read. It holds passwords of throw-away servers on loopback: for its owner only.
write_env() {
  (
    umask 077
    {
      echo '# Written by scripts/services.sh: the services that tests use.'
      echo "export DISPATCHER_TEST_KAFKA='${DISPATCHER_TEST_KAFKA:-$(kafka_addresses)}'"
      echo "export DISPATCHER_TEST_REDIS='${DISPATCHER_TEST_REDIS:-$(redis_url "$ROOT/redis")}'"
      echo "export DISPATCHER_TEST_DATABASE='${DISPATCHER_TEST_DATABASE:-$(postgres_url "$ROOT/postgres")}'"
    } >"$ROOT/env.part"
  )
  mv "$ROOT/env.part" "$ROOT/env"
}

kafka_addresses() {
  local node list=''
  for node in "$ROOT"/kafka-*; do
    list+=${list:+,}$(kafka_address "$node")
  done
  echo "$list"
}

# down: brokers stop together, so that none waits for a peer that is already gone.
down() {
  local dir
  for dir in "$ROOT"/kafka-* "$ROOT/redis" "$ROOT/postgres"; do
    [ ! -d "$dir" ] || "$(kind_of "$dir")_stop" "$dir" &
  done
  wait
  [ ! -d "$ROOT/postgres" ] || postgres_remove "$ROOT/postgres"
  # Logs stay for whoever wants to know what happened; data goes.
  for dir in "$ROOT"/kafka-*; do
    rm -rf "$dir/data" "$dir/server.properties"
  done
  rm -f "$ROOT/env"
  say stopped
}

status() {
  local dir
  for dir in "$ROOT"/kafka-* "$ROOT/redis" "$ROOT/postgres"; do
    [ -d "$dir" ] || continue
    if "$(kind_of "$dir")_healthy" "$dir"; then
      say "$(basename "$dir"): running, pid $(cat "$dir/pid"), port $(cat "$dir/port")"
    else
      say "$(basename "$dir"): not running"
    fi
  done
}

# one ACTION NAME: a single service, for harnesses that break and mend things.
one() {
  local action=$1 dir=$ROOT/${2:?name of a service} kind
  [ -f "$dir/port" ] || fail "no service $2 in $ROOT" || return
  kind=$(kind_of "$dir")
  case $action in
    stop) "${kind}_stop" "$dir" ;;
    kill) halt "$dir" KILL ;;
    start)
      alive "$dir" || "${kind}_spawn" "$dir"
      "${kind}_await" "$dir"
      ;;
  esac
}

# kind_of DIR: kafka-2 is a kafka.
kind_of() {
  local name
  name=$(basename "$1")
  echo "${name%%-*}"
}

shopt -s nullglob
main "$@"
