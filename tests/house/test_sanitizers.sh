#!/usr/bin/env bash
# test_sanitizers.sh - the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a
# build of their own ($GLASS_BUILD-san). One verdict for each program; the rest of what it says is
# in $GLASS_BUILD-san/logs. GLASS_SANITIZE=0 leaves it out.
# Three to four minutes of CPU time, most of it for compiling the kernels.
#
# Of the kernels the checkers run, which hold what the CPU has to the definition; AVX-512
# emulated (tests/math/*512_avx2.c) is the same source and would take as long as all the rest.
# The program's own tests do the same with "make SAN=1 B=build-san all tests" and
# "tests/run.sh build-san cli".
set -u
cd "$(dirname "$0")/../.." || exit 4
build=${GLASS_BUILD:-build}
if [ "${GLASS_SANITIZE:-1}" = 0 ]; then
    echo "ok 1 - sanitizers # SKIP GLASS_SANITIZE is 0"
    exit 0
fi
if nm "$build/libglass-internal.a" 2>/dev/null | grep -qE '__(asan|tsan)_init'; then
    echo "ok 1 - sanitizers # SKIP $build is built with them"
    exit 0
fi
dir=$build-san
programs=()
for source in tests/{base,format,text,model,store}/test_*.c tests/tools/check_*_rows.c; do
    programs+=("$dir/${source%.c}")
done
mkdir -p "$dir/logs"
if ! env -u MAKEFLAGS -u MFLAGS make -s -j"$(nproc)" SAN=1 O=-O1 CFLAGS= LDFLAGS= B="$dir" \
    "${programs[@]}" >"$dir/logs/make" 2>&1; then
    echo "not ok 1 - the tests build with sanitizers"
    tail -20 "$dir/logs/make" | sed 's/^/# /'
    exit 1
fi
export LSAN_OPTIONS=print_suppressions=0:suppressions=tests/cli/lsan.txt
n=0 failed=0
for program in "${programs[@]}"; do
    n=$((n + 1)) log=$dir/logs/$(basename "$program")
    if "$program" >"$log" 2>&1 && ! grep -q '^not ok [0-9]* - ' "$log"; then
        echo "ok $n - $(basename "$program") under sanitizers"
    else
        failed=1
        echo "not ok $n - $(basename "$program") under sanitizers"
        grep -A12 -E '^not ok|ERROR: |runtime error: ' "$log" | head -30 | sed 's/^/# /'
        tail -1 "$log" | sed 's/^/# last: /'
    fi
done
exit $failed
