#!/usr/bin/env bash
# run.sh [SECONDS] [PATTERN] - runs each fuzz target for so long (default 60) and prints TAP lines.
#
# Build them first: make SAN=fuzz CC=clang-14 B=build-fuzz fuzz. PATTERN is an expression that
# the target's name must match: fuzz/run.sh 3600 '^gguf$' is the hour of one target. A target
# fuzz_NAME may have fuzz/corpus_NAME.py FOLDER, which writes seeds, fuzz/NAME.dict, and
# fuzz/found/NAME/: inputs that once broke something, which are tried every time. What libFuzzer
# learns stays in BUILD/corpus/NAME; an input that fails goes to BUILD/corpus/NAME-failed.
# GLASS_FUZZ_JOBS targets run at a time (default: one per processor). An input that takes
# GLASS_FUZZ_TIMEOUT seconds (default 10) is a failure. GLASS_FUZZ_SEED is where libFuzzer's
# choices begin (default: anew each time). With GLASS_FUZZ_SHORT=1 each target tries as many inputs
# as fuzz/short.txt says, and SECONDS are the most it takes; what it tries is the same each time,
# where the target has no threads and libraries do not go by addresses.
set -u
cd "$(dirname "$0")/.." || exit 4
seconds=${1:-60} pattern=${2:-.}
build=${GLASS_FUZZ_BUILD:-build-fuzz}
jobs=${GLASS_FUZZ_JOBS:-$(nproc)}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

short=${GLASS_FUZZ_SHORT:-0}

fuzz() { # NUMBER NAME -> $logs/NAME: TAP
    local n=$1 name=$2 corpus=$build/corpus/$2 log=$logs/$2.log options found=() runs
    local kept=$corpus-failed
    SECONDS=0
    [ "$short" = 0 ] || corpus=$logs/$name.new
    mkdir -p "$corpus" "$kept"
    if [ -e "fuzz/corpus_$name.py" ] && ! python3 "fuzz/corpus_$name.py" "$corpus"; then
        echo "not ok $n - fuzz_$name: its corpus could not be made"
        return
    fi
    options=(-max_total_time="$seconds" -timeout="${GLASS_FUZZ_TIMEOUT:-10}"
        -seed="${GLASS_FUZZ_SEED:-0}"
        -rss_limit_mb=2048 -malloc_limit_mb=256
        -print_final_stats=1 -verbosity=1 -artifact_prefix="$kept/")
    [ ! -e "fuzz/$name.dict" ] || options+=(-dict="fuzz/$name.dict")
    [ ! -d "fuzz/found/$name" ] || found=("fuzz/found/$name")
    if [ "$short" != 0 ]; then
        # Nothing by chance: a folder's order is the file system's, so that its files are named; and
        # what the target compares, which libFuzzer tries too, may be addresses.
        runs=$(sed -n "s/^$name //p" fuzz/short.txt)
        mv "$corpus" "$logs/$name.first"
        mkdir "$corpus"
        find "$logs/$name.first" ${found[@]+"${found[@]}"} -type f | LC_ALL=C sort | paste -sd, \
            >"$logs/$name.seeds"
        options+=(-runs="${runs:-1000}" -use_cmp=0 -reload=0)
        [ ! -s "$logs/$name.seeds" ] || options+=(-seed_inputs="@$logs/$name.seeds")
        found=()
    fi
    if "$build/fuzz/fuzz_$name" "${options[@]}" "$corpus" ${found[@]+"${found[@]}"} \
        >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "ok $n - fuzz_$name: ${runs:-0} inputs in $SECONDS s"
    else
        echo "not ok $n - fuzz_$name"
        sed 's/^/# /' "$log" | tail -40
    fi
}

names=()
for target in "$build"/fuzz/fuzz_*; do
    name=${target##*/fuzz_}
    [ -f "$target" ] && [ -x "$target" ] && [[ $name =~ $pattern ]] && names+=("$name")
done
if [ ${#names[@]} -eq 0 ]; then
    echo "not ok 1 - no such fuzz target in $build: make SAN=fuzz CC=clang-14 B=$build fuzz"
    exit 1
fi
for i in "${!names[@]}"; do
    [ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n
    fuzz $((i + 1)) "${names[i]}" >"$logs/${names[i]}" &
done
wait
failed=0
for name in "${names[@]}"; do
    cat "$logs/$name"
    grep -q '^ok ' "$logs/$name" || failed=1
done
exit $failed
