#!/usr/bin/env bash
# Checks the Helm chart: lint, render with each of ci/*-values.yaml, the same bytes twice, valid objects, and that values
# without a sound default are asked for. Expects helm and kubectl-validate on the PATH (make check-chart).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../charts/dispatcher"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for values in ci/*-values.yaml; do
  helm lint --strict --quiet . --values "$values"
  name=$(basename "$values" .yaml)
  helm template voxagent . --namespace hooks --values "$values" >"$out/$name.yaml"
  helm template voxagent . --namespace hooks --values "$values" | cmp - "$out/$name.yaml"
  kubectl-validate "$out/$name.yaml" >"$out/report" 2>&1 || { cat "$out/report"; exit 1; }
done

# Numbers stay as they are written.
grep -q 'DISPATCHER_MEMORY_BUDGET: "134217728"' "$out/full-values.yaml" || { echo "a number was rewritten"; exit 1; }

# A release name of Helm's greatest length leaves every object's name valid.
long=a123456789-123456789-123456789-123456789-123456789-12
helm template "$long" . --values ci/full-values.yaml >"$out/long.yaml"
while read -r name; do
  [ "${#name}" -le 63 ] || { echo "name of ${#name} characters: $name"; exit 1; }
done < <(awk '/^metadata:/ { m = 1; next } m && /^  name:/ { print $2; m = 0 }' "$out/long.yaml")

# What is missing or unknown is said, before anything is installed.
refuse() {
  local want=$1
  shift
  if helm template voxagent . "$@" >"$out/refused" 2>&1; then
    echo "not refused: $*"
    exit 1
  fi
  grep -q -- "$want" "$out/refused" || { echo "refused without \"$want\": $*"; cat "$out/refused"; exit 1; }
}
refuse kafka.brokers --set secret.existingSecret=s
refuse secret.existingSecret --set 'kafka.brokers={k:9092}'
refuse replica --values ci/minimal-values.yaml --set consumer.replica=2
refuse image/tag --values ci/minimal-values.yaml --set image.tag=latest
echo "chart: fine"
