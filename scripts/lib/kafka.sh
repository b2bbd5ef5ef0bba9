# A real Apache Kafka (KRaft), one node or several. Sourced by services.sh. ROOT is the directory that
# holds the nodes' directories kafka-1, kafka-2, …; DIR is one of those.
# shellcheck shell=bash

kafka_need() {
  kafka_jars_cached || need Kafka java:default-jre-headless mvn:maven || return
  need Kafka java:default-jre-headless kcat:kcat || return
  local major
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${major:-0}" -ge 17 ] || fail "Kafka needs Java 17 or later, this is ${major:-unknown}"
}

# kafka_jars: the directory of the broker's jars; a changed pom.xml is another directory.
kafka_jars() {
  echo "${SERVICES_CACHE:?}/kafka-$(sha256sum "$SCRIPTS/kafka/pom.xml" | cut -c 1-12)"
}

kafka_jars_cached() { [ -d "$(kafka_jars)" ]; }

# kafka_fetch: resolve the jars once.
kafka_fetch() {
  local jars part
  kafka_jars_cached && return 0
  jars=$(kafka_jars)
  part=$jars.part
  say "fetching Kafka from Maven"
  rm -rf "$part"
  mkdir -p "$(dirname "$jars")"
  if ! mvn -B -q -Dstyle.color=never -f "$SCRIPTS/kafka/pom.xml" dependency:copy-dependencies \
    -DoutputDirectory="$part" </dev/null >"$jars.log" 2>&1; then
    fail "Kafka: Maven could not fetch it: $(grep -m 1 ERROR "$jars.log" | sed 's/\x1b\[[0-9;]*m//g' | cut -c 1-300)"
    return
  fi
  mv "$part" "$jars"
}

# kafka_java ARGUMENT...: the JVM with Kafka's classes. 512 MiB of heap carry the tests' loads; the serial
# collector leaves the cores to the tests. The brokers of a cluster are there to be killed: without the
# optimizing compiler a start costs half the CPU.
kafka_java() {
  kafka_command
  "${KAFKA_COMMAND[@]}" "$@"
}

kafka_command() {
  KAFKA_COMMAND=(java -Xms128m -Xmx512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError
    -Dlog4j2.configurationFile="$SCRIPTS/kafka/log4j2.properties" -cp "$(kafka_jars)/*")
  [ "$BROKERS" = 1 ] || KAFKA_COMMAND+=(-XX:TieredStopAtLevel=1)
}

# kafka_create ROOT COUNT: configure and format COUNT nodes, each broker and controller, that form one
# cluster.
kafka_create() {
  local root=$1 count=$2 node cluster voters=''
  # 22 characters of URL-safe base64, as Kafka wants it; a leading "-" would read as an option.
  cluster=K$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | cut -c 1-21)
  for ((node = 1; node <= count; node++)); do
    rm -rf "$root/kafka-$node"
    mkdir -p "$root/kafka-$node"
    free_port $((22000 + node * 1000)) >"$root/kafka-$node/port" || return
    free_port $((26000 + node * 1000)) >"$root/kafka-$node/controller-port" || return
    kafka_proxies "$node" >"$root/kafka-$node/proxies" || return
    voters+=${voters:+,}$node@127.0.0.1:$(cat "$root/kafka-$node/controller-port")
  done
  for ((node = 1; node <= count; node++)); do
    kafka_settings "$root/kafka-$node" "$node" "$count" "$voters" >"$root/kafka-$node/server.properties"
    kafka_format "$root/kafka-$node" "$cluster" "$count" || return
  done
}

# kafka_proxies NODE: a line for each listener behind a proxy: its own port and the proxy's.
kafka_proxies() {
  local i at port proxy
  for ((i = 0; i < PROXIES; i++)); do
    at=$((($1 - 1) * 300 + i * 75))
    port=$(free_port $((22000 + at)) 75) && proxy=$(free_port $((26000 + at)) 75) || return
    echo "$port $proxy"
  done
}

# kafka_settings DIR NODE COUNT VOTERS: server.properties of a node. What comes in by a listener is told the
# addresses of the same listener of all brokers, so that who talks through a proxy goes on doing so.
kafka_settings() {
  local dir=$1 node=$2 count=$3 voters=$4 copies in_sync port proxy
  local listen advertise protocols=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT i=0
  advertise=PLAINTEXT://127.0.0.1:$(cat "$dir/port")
  listen=$advertise,CONTROLLER://127.0.0.1:$(cat "$dir/controller-port")
  while read -r port proxy; do
    i=$((i + 1))
    listen+=,PROXIED_$i://127.0.0.1:$port
    advertise+=,PROXIED_$i://127.0.0.1:$proxy
    protocols+=,PROXIED_$i:PLAINTEXT
  done <"$dir/proxies"
  copies=$((count < 3 ? count : 3))
  in_sync=$((copies < 3 ? 1 : 2))
  cat <<CONF
process.roles=broker,controller
node.id=$node
listeners=$listen
advertised.listeners=$advertise
listener.security.protocol.map=$protocols
controller.listener.names=CONTROLLER
log.dirs=$dir/data
auto.create.topics.enable=false
default.replication.factor=$copies
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$copies
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=$copies
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=$copies
share.coordinator.state.topic.min.isr=$in_sync
group.initial.rebalance.delay.ms=0
# A topic that is deleted or whose retention ends frees its disc soon: tests make many.
log.segment.delete.delay.ms=1000
# Tests of the largest events need room; the topics themselves state their own limits.
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
CONF
  # A single node founds its own quorum when it is formatted; several are told of each other.
  if [ "$count" = 1 ]; then
    echo "controller.quorum.bootstrap.servers=${voters#*@}"
  else
    echo "controller.quorum.voters=$voters"
  fi
}

kafka_format() {
  local dir=$1 cluster=$2 count=$3 alone=()
  [ "$count" != 1 ] || alone=(--standalone)
  kafka_java kafka.tools.StorageTool format --cluster-id "$cluster" --config "$dir/server.properties" \
    "${alone[@]}" </dev/null >>"$dir/log" 2>&1 ||
    fail "Kafka: could not format $dir: $(last_words "$dir/log")"
}

kafka_spawn() {
  kafka_command
  spawn "$1" "${KAFKA_COMMAND[@]}" kafka.Kafka "$1/server.properties"
}

kafka_await() { await "Kafka ($(basename "$1"))" "$1" 90 kafka_healthy "$1"; }
kafka_stop() { halt "$1" TERM; }

# kafka_healthy DIR: the node runs, is registered with the controller and answers for its metadata.
kafka_healthy() {
  local address
  address=$(kafka_address "$1")
  alive "$1" && timeout 5 kcat -b "$address" -L -m 3 2>/dev/null </dev/null | grep -q " at $address"
}

kafka_address() { echo "127.0.0.1:$(cat "$1/port")"; }
