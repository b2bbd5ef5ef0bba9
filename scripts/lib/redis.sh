# A real Redis. Sourced by services.sh. DIR is the directory of the instance.
# shellcheck shell=bash

redis_need() { need Redis redis-server:redis-server redis-cli:redis-tools; }

# redis_create DIR: configuration with a fresh port and password. Nothing is written to disk: the
# dispatcher keeps nothing in Redis that must not be lost.
redis_create() {
  local dir=$1
  mkdir -p "$dir"
  : >"$dir/log"
  free_port 20000 >"$dir/port" || return
  secret >"$dir/password"
  cat >"$dir/redis.conf" <<CONF
bind 127.0.0.1
port $(cat "$dir/port")
requirepass $(cat "$dir/password")
dir $dir
save ""
appendonly no
daemonize no
CONF
  chmod 600 "$dir/redis.conf" "$dir/password"
}

redis_spawn() { spawn "$1" redis-server "$1/redis.conf"; }
redis_await() { await Redis "$1" 20 redis_healthy "$1"; }
redis_stop() { halt "$1" TERM; }

redis_healthy() {
  alive "$1" && [ "$(REDISCLI_AUTH=$(cat "$1/password") timeout 5 redis-cli -h 127.0.0.1 \
    -p "$(cat "$1/port")" ping 2>/dev/null)" = PONG ]
}

redis_url() { echo "redis://:$(cat "$1/password")@127.0.0.1:$(cat "$1/port")/0"; }
