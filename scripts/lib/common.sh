# Shared by the scripts that start real services: messages, packages, ports and processes.
# Sourced, never run. Callers set `set -euo pipefail`.
# shellcheck shell=bash

# say LINE: progress for a person.
say() { printf 'services: %s\n' "$*"; }

# fail LINE: the one line that explains why something cannot be had. Returns 1, so `|| return` reads well.
fail() {
  printf 'services: error: %s\n' "$*" >&2
  return 1
}

# need PURPOSE COMMAND:PACKAGE...: make sure that each command exists; what is missing is installed on
# Debian when root, and named in one line otherwise.
need() {
  local purpose=$1 pair missing=() packages=()
  shift
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null && continue
    missing+=("${pair%%:*}")
    packages+=("${pair#*:}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "$purpose needs: ${missing[*]} (Debian packages: ${packages[*]})"
    return
  fi
  install_packages "$purpose" "${packages[@]}"
}

# install_packages PURPOSE PACKAGE...: apt-get, silent unless it fails.
install_packages() {
  local purpose=$1 log
  shift
  say "installing $*"
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
    install -y --no-install-recommends "$@"; } </dev/null >"$log" 2>&1; then
    fail "$purpose: apt-get could not install $*: $(grep -m 1 '^E:' "$log" || tail -n 1 "$log")"
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# free_port FIRST [COUNT]: a loopback port in FIRST..FIRST+COUNT-1 (COUNT: 1000) on which nobody listens. The
# callers' ranges lie below the kernel's ephemeral ports (from 32768), so no outgoing connection can take the
# port meanwhile, and do not overlap, so services that start at the same time cannot pick the same one.
free_port() {
  local first=$1 count=${2:-1000} port
  for _ in $(seq 200); do
    port=$((first + RANDOM % count))
    listening "$port" || { echo "$port"; return 0; }
  done
  fail "no free port in $first..$((first + count - 1))"
}

# listening PORT: somebody accepts connections on the loopback port.
listening() { reachable 127.0.0.1 "$1"; }

# reachable HOST PORT: a TCP connection can be made within 3 seconds.
reachable() { timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' _ "$1" "$2" 2>/dev/null; }

# secret: a random password, safe in URLs and configuration files.
secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

# spawn DIR COMMAND...: run a command as a daemon in a session of its own (an interrupt at the terminal
# is not for it), its output appended to DIR/log, its process id in DIR/pid.
spawn() {
  local dir=$1
  shift
  rm -f "$dir/pid" "$dir/pid.birth"
  # The inner shell becomes the command; fd 9 is the lock of services.sh, which must not outlive it.
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'echo $$ >"$1/pid"; shift; exec "$@"' _ "$dir" "$@" </dev/null >>"$dir/log" 2>&1 9>&- &
  local i
  for ((i = 0; i < 100; i++)); do
    [ -s "$dir/pid" ] && break
    sleep 0.05
  done
  birth "$(cat "$dir/pid" 2>/dev/null)" >"$dir/pid.birth" || true
}

# birth PID: the start time of a process in clock ticks since boot; fails when there is none. Together
# with the id it names one process for good: ids are given out again.
birth() {
  [ -n "${1:-}" ] && [ -r "/proc/$1/stat" ] || return 1
  # The name in field 2 may hold spaces; count from behind its closing bracket.
  sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}

# alive DIR: the process that spawn started for DIR still runs.
alive() {
  local pid
  pid=$(cat "$1/pid" 2>/dev/null) || return 1
  [ -s "$1/pid.birth" ] && [ "$(birth "$pid")" = "$(cat "$1/pid.birth")" ] || return 1
  # A killed process whose parent has not yet looked is dead all the same.
  ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null
}

# halt DIR SIGNAL: end the process of DIR with the signal, after 20 s with KILL; returns once it is gone.
halt() {
  local dir=$1 signal=$2 pid i
  if alive "$dir"; then
    pid=$(cat "$dir/pid")
    kill -s "$signal" "$pid" 2>/dev/null || true
    for ((i = 0; i < 400; i++)); do
      alive "$dir" || break
      [ "$i" = 200 ] && kill -s KILL "$pid" 2>/dev/null
      sleep 0.1
    done
  fi
  rm -f "$dir/pid" "$dir/pid.birth"
}

# await NAME DIR SECONDS CHECK...: wait until the check succeeds; fails in one line when the process ends
# first or time is up.
await() {
  local name=$1 dir=$2 deadline=$((SECONDS + $3)) seconds=$3
  shift 3
  until "$@"; do
    if ! alive "$dir"; then
      fail "$name ended while starting: $(last_words "$dir/log")"
      return
    fi
    if ((SECONDS >= deadline)); then
      fail "$name did not answer within $seconds s; its log: $dir/log"
      return
    fi
    sleep 0.2
  done
}

# last_words LOG: the line of a log that says most about a death.
last_words() {
  { grep -iE 'address already in use|FATAL|ERROR|Exception' "$1" || tail -n 1 "$1"; } 2>/dev/null |
    tail -n 1 | cut -c 1-300
}

# port_was_taken DIR: the service died since somebody else got its port first.
port_was_taken() { grep -qi 'address already in use' "$1/log" 2>/dev/null; }
