#!/usr/bin/env bash
# usage: scripts/e2e.sh [PROMOP]
# Tests the program against the API server that KUBECONFIG names, as its administrator: a line per assertion, then
# `N passed, M failed`; exit code 0 if none failed, 2 if something is missing. It makes and removes the namespaces
# promop-e2e-a, -b and -c, the namespace monitoring if there is none, and the cluster role promop.
# Run it as root in a network namespace where addresses of 10.244.0.0/16 can be bound:
#   unshare -n bash -c 'ip link set lo up; ip route add local 10.244.0.0/16 dev lo; eval "$(../shared/cluster/up)"; scripts/e2e.sh'
# Needs python3, curl and prometheus-node-exporter. With PROMOP_CLUSTER set, the cluster's audit log is read as well.
set -euo pipefail
cd "$(dirname "$0")/.."

for tool in python3 curl prometheus-node-exporter; do
    command -v "$tool" >/dev/null || { echo "e2e: $tool is not installed" >&2 && exit 2; }
done
[ -n "${KUBECONFIG:-}" ] || { echo "e2e: KUBECONFIG is not set" >&2 && exit 2; }

promop=${1:-}
if [ -z "$promop" ]; then
    cargo build --locked --offline --quiet
    promop=$(cargo metadata --offline --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug/promop
fi
exec python3 -B scripts/e2e/run.py "$(realpath "$promop")"
