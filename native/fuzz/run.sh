#!/bin/bash
# run.sh [SECONDS] [TARGET…]: throw input at the parsers of boringsdp-core, so many seconds (20) at each target (all), and fail when one
# of them panics. Needs cargo-fuzz (`cargo install --locked cargo-fuzz`) and a C++ compiler, no nightly Rust: the core has no unsafe code,
# so that sanitizers, which need one, have nothing to find. What was found lies in artifacts/, what is known in corpus/, which grows.
set -euo pipefail
cd "$(dirname "$0")"
export RUSTC_BOOTSTRAP=1
seconds=${1:-20}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(rtp stun srtp plane snapshot)
python3 seeds.py corpus
cargo fuzz build --fuzz-dir . --sanitizer none
failed=()
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    log=$(mktemp)
    if cargo fuzz run --fuzz-dir . --sanitizer none "$target" -- \
        -max_total_time="$seconds" -max_len=4096 -len_control=0 -timeout=10 -rss_limit_mb=1024 -verbosity=0 -print_final_stats=1 -seed=1 2>"$log"
    then
        grep -E 'number_of_executed' "$log" || true
    else
        failed+=("$target")
        tail -60 "$log"
    fi
    rm -f "$log"
done
[ ${#failed[@]} -eq 0 ] || { echo "found something: ${failed[*]}"; exit 1; }
