#!/usr/bin/env bash
# usage: scripts/vendor-crds.sh [VERSION]
# Writes vendor-crds/ from the Go module of prometheus-operator: the ServiceMonitor and PodMonitor definitions without
# their prose. Names, types, defaults and validation rules stay, so that an API server checks objects as it does with
# the originals; a third of the size keeps `kubectl apply` far from its limit for annotations. Needs go, awk, sha256sum.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:-v0.93.1}
module=github.com/prometheus-operator/prometheus-operator
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
source=$(cd "$scratch" && go mod init scratch 2>/dev/null && go mod download -json "$module@$version" |
    sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')

# controller-gen writes block style only: a description ends where a line is indented no deeper than its key.
without_descriptions() {
    awk '{ match($0, /^ */) }
        inside && ($0 ~ /^ *$/ || RLENGTH > depth) { next }
        { inside = 0 }
        /^ *description:/ { inside = 1; depth = RLENGTH; next }
        { print }' "$1"
}

sum() { sha256sum "$1" | cut -d' ' -f1; }

{
    echo "# Written by scripts/vendor-crds.sh; do not edit."
    echo "version: $version"
    echo "origin: Go module $module, folder example/prometheus-operator-crd"
    echo "licence: Apache-2.0 (the prometheus-operator Authors)"
    echo "changes: every description removed, nothing else"
    echo "files:"
} >"$scratch/PROVENANCE"
for kind in servicemonitors podmonitors; do
    name=monitoring.coreos.com_$kind.yaml
    original=$source/example/prometheus-operator-crd/$name
    without_descriptions "$original" >"$scratch/$name"
    {
        echo "- name: $name"
        echo "  original-sha256: $(sum "$original")"
        echo "  sha256: $(sum "$scratch/$name")"
    } >>"$scratch/PROVENANCE"
done
mkdir -p vendor-crds
for name in PROVENANCE monitoring.coreos.com_servicemonitors.yaml monitoring.coreos.com_podmonitors.yaml; do
    cat "$scratch/$name" >"vendor-crds/$name"
done
echo "vendor-crds: $version"
