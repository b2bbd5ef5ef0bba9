# A real PostgreSQL. Sourced by services.sh. DIR is the directory of the instance; DIR/home names where
# its data is, since the server refuses to run as root and its user may not be able to reach DIR.
# shellcheck shell=bash

postgres_need() {
  postgres_bin >/dev/null 2>&1 || install_postgres || return
  need PostgreSQL psql:postgresql-client
}

install_postgres() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail 'PostgreSQL needs: initdb, postgres (Debian package: postgresql)'
    return
  fi
  install_packages PostgreSQL postgresql
}

# postgres_bin: where initdb and postgres are; Debian keeps them out of PATH.
postgres_bin() {
  local newest
  newest=$(find /usr/lib/postgresql -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
  [ -n "$newest" ] || newest=$(command -v initdb) || return 1
  dirname "$newest"
}

# as_postgres COMMAND...: root becomes the user postgres; anybody else stays who they are. setpriv, unlike
# su and runuser, leaves no process in between, so the id in DIR/pid is the server's own.
as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups "$@"
  else
    "$@"
  fi
}

# postgres_create DIR: an empty cluster with a fresh port and password.
postgres_create() {
  local dir=$1 home bin
  bin=$(postgres_bin)
  mkdir -p "$dir"
  postgres_remove "$dir"
  : >"$dir/log"
  home=$(postgres_home "$dir")
  echo "$home" >"$dir/home"
  free_port 21000 >"$dir/port" || return
  secret >"$dir/password"
  install -m 600 "$dir/password" "$home/password"
  [ "$(id -u)" != 0 ] || chown -R postgres: "$home"
  (cd "$home" && as_postgres "$bin/initdb" --pgdata="$home/data" --username=dispatcher \
    --pwfile="$home/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C \
    --no-sync --no-instructions) </dev/null >>"$dir/log" 2>&1 ||
    { fail "PostgreSQL: initdb failed: $(last_words "$dir/log")"; return; }
  rm -f "$home/password"
  chmod 600 "$dir/password"
  postgres_settings "$dir" >>"$home/data/postgresql.conf"
}

postgres_settings() {
  cat <<CONF
listen_addresses = '127.0.0.1'
port = $(cat "$1/port")
unix_socket_directories = ''
max_connections = 300
# Without fsync a killed server loses nothing, since the kernel still has the pages; only a machine that
# loses power would. Take this line out to measure writes as a production disk would see them.
fsync = off
CONF
}

# postgres_home DIR: DIR itself where the server's user can get there, else (a checkout below /root or
# below a private temporary directory) a directory of its own under /tmp, removed with the service.
postgres_home() {
  chmod go+x "$1" "$(dirname "$1")" 2>/dev/null || true
  if as_postgres test -x "$1"; then
    mkdir -p "$1/cluster"
    echo "$1/cluster"
  else
    mktemp -d /tmp/dispatcher-postgres.XXXXXX
  fi
}

postgres_spawn() {
  local home
  home=$(cat "$1/home")
  wc -c <"$1/log" >"$1/log.from"
  # The server's working directory must be one that its user may enter.
  (cd "$home" && declare -x PGDATA="$home/data" && if [ "$(id -u)" = 0 ]; then
    spawn "$1" setpriv --reuid=postgres --regid=postgres --init-groups "$(postgres_bin)/postgres"
  else
    spawn "$1" "$(postgres_bin)/postgres"
  fi)
}

# postgres_await: after a kill the sessions of the old server need a moment to notice, and until the last
# has gone a new one refuses to start on their data; it is started again then.
postgres_await() {
  local failure left
  for left in {20..0}; do
    failure=$(await PostgreSQL "$1" 30 postgres_healthy "$1" 2>&1) && return
    [ "$left" != 0 ] && old_server_lingers "$1" || break
    sleep 0.5
    postgres_spawn "$1"
  done
  printf '%s\n' "$failure" >&2
  return 1
}

# old_server_lingers DIR: the server that was started last said so, among the complaints of clients that it turned away.
old_server_lingers() {
  tail -c "+$(($(cat "$1/log.from") + 1))" "$1/log" | grep -qE 'postmaster\.pid" already exists|shared memory block .* still in use'
}

# INT is PostgreSQL's "fast" shutdown: sessions end, transactions are rolled back.
postgres_stop() { halt "$1" INT; }

postgres_remove() {
  local home
  home=$(cat "$1/home" 2>/dev/null) || return 0
  case $home in
    "$1"/cluster | /tmp/dispatcher-postgres.*) rm -rf "$home" ;;
  esac
  rm -f "$1/home"
}

postgres_healthy() {
  alive "$1" && [ "$(PGPASSWORD=$(cat "$1/password") PGCONNECT_TIMEOUT=5 timeout 10 psql -XAtq \
    -h 127.0.0.1 -p "$(cat "$1/port")" -U dispatcher -d postgres -c 'select 1' 2>/dev/null)" = 1 ]
}

postgres_url() {
  echo "postgres://dispatcher:$(cat "$1/password")@127.0.0.1:$(cat "$1/port")/postgres?sslmode=disable"
}
