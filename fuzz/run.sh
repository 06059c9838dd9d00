#!/usr/bin/env bash
# run.sh [SECONDS] [PATTERN] - runs each fuzz target for so long (default 60) and prints TAP lines.
#
# Build them first: make SAN=fuzz CC=clang-14 B=build-fuzz fuzz. A target fuzz_NAME may have
# fuzz/corpus_NAME.py FOLDER, which writes seeds, fuzz/NAME.dict, and fuzz/found/NAME/: inputs
# that once broke something, which are tried every time. What libFuzzer learns stays in
# BUILD/corpus/NAME; an input that fails goes to BUILD/corpus/NAME-failed.
set -u
cd "$(dirname "$0")/.." || exit 4
seconds=${1:-60} pattern=${2:-.}
build=${GLASS_FUZZ_BUILD:-build-fuzz}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
n=0 failed=0

for target in "$build"/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    [[ $name =~ $pattern ]] || continue
    n=$((n + 1))
    corpus=$build/corpus/$name
    mkdir -p "$corpus" "$corpus-failed"
    [ ! -e "fuzz/corpus_$name.py" ] || python3 "fuzz/corpus_$name.py" "$corpus" || exit 4
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=256
        -print_final_stats=1 -verbosity=1 -artifact_prefix="$corpus-failed/")
    [ ! -e "fuzz/$name.dict" ] || options+=(-dict="fuzz/$name.dict")
    found=()
    [ ! -d "fuzz/found/$name" ] || found=("fuzz/found/$name")
    if "$target" "${options[@]}" "$corpus" ${found[@]+"${found[@]}"} >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "ok $n - fuzz_$name: ${runs:-0} inputs in $seconds s"
    else
        failed=$((failed + 1))
        echo "not ok $n - fuzz_$name"
        sed 's/^/    /' "$log" | tail -40
    fi
done
if [ "$n" -eq 0 ]; then
    echo "not ok 1 - no fuzz targets in $build: make SAN=fuzz CC=clang-14 B=$build fuzz"
    exit 1
fi
[ "$failed" -eq 0 ]
