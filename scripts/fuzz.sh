#!/usr/bin/env bash
# usage: scripts/fuzz.sh SECONDS [TARGET...]
# Runs the fuzzers of tests/fuzz side by side for SECONDS each (text openmetrics protobuf config url, or those named), from the pages of
# tests/golden/textparse and the documents of tests/golden/config. Inputs, findings and one log per target are kept in FUZZ_DIR (default: target/fuzz), so that a later run
# goes on from there. Fails if a fuzzer finds something. Needs a nightly toolchain and cargo install cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=$1
shift
targets=("$@")
[ $# -gt 0 ] || targets=(text openmetrics protobuf config url)
dir=${FUZZ_DIR:-target/fuzz}

# A fuzzer of a page takes the input's first byte as the options (tests/fuzz/src/lib.rs), so that a seed is the case's options and its page.
seeds() {
    local case meta target flags option i
    local options=(native_histograms classic_histograms convert_classic_histograms_to_nhcb enable_type_and_unit_labels start_timestamps)
    mkdir -p "$dir"/{text,openmetrics,protobuf,config,url}
    printf '%s\n../c?d' 'http://u:p@[fe80::1%25eth0]:80/a%20b?q=1#f' >"$dir/url/all-parts"
    for case in tests/golden/config/*; do
        cp "$case/prometheus.yml" "$dir/config/${case##*/}"
    done
    for case in tests/golden/textparse/*; do
        meta=$'\n'$(<"$case/meta.yaml")
        case $meta in
        *protobuf*) target=protobuf ;;
        *openmetrics*) target=openmetrics ;;
        *) target=text ;;
        esac
        flags=0
        for i in "${!options[@]}"; do
            [[ $meta != *$'\n'"${options[i]}: true"* ]] || flags=$((flags | 1 << i))
        done
        { printf "\\x$(printf %02x "$flags")"; cat "$case/page"; } >"$dir/$target/${case##*/}"
    done
}

fuzz() {
    cargo +nightly fuzz run --fuzz-dir tests/fuzz "$1" "$dir/$1" -- \
        -max_total_time="$seconds" -timeout=10 -print_final_stats=1 -artifact_prefix="$dir/$1-" >"$dir/$1.log" 2>&1
}

seeds
cargo +nightly fuzz build --fuzz-dir tests/fuzz
pids=()
for target in "${targets[@]}"; do
    fuzz "$target" &
    pids+=($!)
done
failed=0
for i in "${!targets[@]}"; do
    wait "${pids[i]}" || failed=1
    echo "${targets[i]}: $(grep -E '^#[0-9]+.*(DONE|cov:)|^SUMMARY' "$dir/${targets[i]}.log" | tail -1)"
done
exit "$failed"
