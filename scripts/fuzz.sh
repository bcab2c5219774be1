#!/usr/bin/env bash
# Fuzzes every decoder of bytes from outside, one target after the other: `scripts/fuzz.sh [TARGET...]`.
# SECONDS_EACH (300) a target; fails on a panic, an overflow, a run above 10 s or above 3 GiB. Needs the nightly toolchain.
#
# Without a sanitizer: the decoders are safe Rust, and libtorch is not instrumented.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.13.1
SECONDS_EACH=${SECONDS_EACH:-300}
export LIBTORCH=${LIBTORCH:-$PWD/.libtorch}
export LD_LIBRARY_PATH=$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export CARGO_INCREMENTAL=0
work=fuzz/target/corpus
export RAYON_NUM_THREADS=1 OMP_NUM_THREADS=1
mkdir -p "$work"

cargo +nightly fuzz --version 2>/dev/null | grep -qF "$VERSION" || cargo install --quiet --locked cargo-fuzz --version "$VERSION"
targets=("$@")
if [[ ${#targets[@]} == 0 ]]; then mapfile -t targets < <(basename -s .rs -a fuzz/fuzz_targets/*.rs); fi
cargo +nightly fuzz build --sanitizer none

failed=()
for target in "${targets[@]}"; do
    mkdir -p "$work/$target" "fuzz/corpus/$target"
    log=fuzz/target/$target.log
    verdict=clean
    cargo +nightly fuzz run --sanitizer none "$target" "$work/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$SECONDS_EACH" -timeout=10 -rss_limit_mb=3072 -max_len=16384 -print_final_stats=1 >"$log" 2>&1 || verdict=FINDING
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    printf 'fuzz: %-14s %12s executions  %s\n' "$target" "${executions:-?}" "$verdict"
    if [[ $verdict != clean ]]; then
        failed+=("$target")
        grep -E 'panicked|ERROR|artifact|SUMMARY' "$log" | head -5 || true
    fi
done
[[ ${#failed[@]} == 0 ]] || { echo "fuzz: findings in ${failed[*]}; inputs are in fuzz/artifacts" >&2; exit 1; }
