#!/usr/bin/env bash
# usage: scripts/check.sh [STEP...]
# Everything a change must pass; steps: format lint test doc tree static. Without a step: all of them.
# Needs the musl target (rustup target add x86_64-unknown-linux-musl) and musl-gcc (Debian: musl-tools).
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-unknown-linux-musl
most_packages=72

format() { cargo fmt --check; }
lint() { cargo clippy --locked --all-targets -- -D warnings; }
test() { cargo test --locked; }
doc() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps; }

tree() {
    local packages
    packages=$(cargo tree --locked -e normal --target "$target" --prefix none --format '{p}' | sed 's/ (\*)$//' | sort -u | wc -l)
    echo "tree: $packages packages, at most $most_packages"
    [ "$packages" -le "$most_packages" ]
}

static() {
    cargo static
    local binary linkage
    binary=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/$target/release/promop
    # A dynamic program has an interpreter; ldd says so, too, and is everywhere.
    linkage=$(ldd "$binary" 2>&1 || true)
    case $linkage in
    *"not a dynamic executable"* | *"statically linked"*) ;;
    *) echo "static: $binary is linked to: $linkage" && return 1 ;;
    esac
    echo "static: $("$binary" version), $(stat -c %s "$binary") bytes"
    "$binary" help run >/dev/null
}

[ $# -gt 0 ] || set -- format lint test doc tree static
for step; do
    case $step in
    format | lint | test | doc | tree | static) echo "== $step" && "$step" ;;
    *) sed -n '2,4s/^# //p' "$0" >&2 && exit 2 ;;
    esac
done
