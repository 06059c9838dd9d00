#!/usr/bin/env bash
# test_fuzz.sh - builds the fuzz targets and runs the short form of each, for at most
# GLASS_FUZZ_SECONDS (default 120; 0 to leave them out). Needs clang with libFuzzer; skipped without.
set -u
seconds=${GLASS_FUZZ_SECONDS:-120}
build=${GLASS_FUZZ_BUILD:-build-fuzz}
if [ "$seconds" -eq 0 ]; then
    echo "ok 1 - fuzz targets # SKIP GLASS_FUZZ_SECONDS is 0"
    exit 0
fi
clang=$(command -v clang-14 || command -v clang)
if [ -z "$clang" ]; then
    echo "ok 1 - fuzz targets # SKIP no clang"
    exit 0
fi
probe=$(mktemp -d)
trap 'rm -rf "$probe"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return (void)d, (void)n, 0; }' \
    >"$probe/probe.c"
if ! "$clang" -fsanitize=fuzzer,address -o "$probe/probe" "$probe/probe.c" 2>"$probe/log"; then
    echo "ok 1 - fuzz targets # SKIP $clang has no libFuzzer (libclang-rt-14-dev)"
    exit 0
fi
if ! make -s -j"$(nproc)" SAN=fuzz CC="$clang" B="$build" fuzz >"$probe/log" 2>&1; then
    echo "not ok 1 - fuzz targets build"
    tail -30 "$probe/log" | sed 's/^/# /'
    exit 1
fi
# The short form makes the same choices each time; fuzz/run.sh alone looks further.
export GLASS_FUZZ_SHORT=1
export GLASS_FUZZ_SEED="${GLASS_FUZZ_SEED:-1}"
# libFuzzer's limit for one input counts the wall's time, and machines of CI are busy.
export GLASS_FUZZ_TIMEOUT="${GLASS_FUZZ_TIMEOUT:-60}"
GLASS_FUZZ_BUILD=$build exec fuzz/run.sh "$seconds"
