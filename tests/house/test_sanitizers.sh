#!/usr/bin/env bash
# test_sanitizers.sh - the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer, in a
# build of their own ($GLASS_BUILD-san), and those of sessions, of a shared grammar and of the
# scheduler under ThreadSanitizer ($GLASS_BUILD-tsan).
# One verdict for each program; what it says is in logs/ of its build. GLASS_SANITIZE=0 leaves
# all out. About five minutes of CPU time, most of it for compiling the kernels.
#
# Of the kernels the checkers run, which hold what the CPU has to the definition; AVX-512
# emulated (tests/math/*512_avx2.c) is the same source and would take as long as all the rest.
# The program's own tests do the same with "make SAN=1 B=build-san all tests" and
# "tests/run.sh build-san cli".
#
# ThreadSanitizer has to be told what OpenMP's threads wait for: LLVM's libomp finds libarcher
# beside it, which does. gcc's libgomp has nothing of the kind and would seem to race.
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
n=0 failed=0

# BUILD PROGRAMS, make's variables in $variables: builds and runs the programs.
try() {
    local dir=$1 program log
    shift
    mkdir -p "$dir/logs"
    if ! env -u MAKEFLAGS -u MFLAGS make -s -j"$(nproc)" "${variables[@]}" O=-O1 CFLAGS= \
        LDFLAGS= B="$dir" "${@/#/$dir/}" >"$dir/logs/make" 2>&1; then
        n=$((n + 1)) failed=1
        echo "not ok $n - $dir builds"
        tail -20 "$dir/logs/make" | sed 's/^/# /'
        return
    fi
    for program in "$@"; do
        n=$((n + 1)) log=$dir/logs/$(basename "$program")
        if "$dir/$program" >"$log" 2>&1 && ! grep -q '^not ok [0-9]* - ' "$log"; then
            echo "ok $n - $(basename "$program"), ${variables[0]}"
        else
            failed=1
            echo "not ok $n - $(basename "$program"), ${variables[0]}"
            grep -A12 -E '^not ok|ERROR: |WARNING: |runtime error: ' "$log" | head -30 |
                sed 's/^/# /'
            tail -1 "$log" | sed 's/^/# last: /'
        fi
    done
}

programs=()
for source in tests/{base,format,text,model,train,data,open,inspect,serve,store}/test_*.c tests/tools/check_*_rows.c; do
    programs+=("${source%.c}")
done
export LSAN_OPTIONS=print_suppressions=0:suppressions=tests/cli/lsan.txt
variables=(SAN=1)
try "$build-san" "${programs[@]}"

export TSAN_OPTIONS=ignore_noninstrumented_modules=1
# .../lib/clang/14.0.6
if resources=$(clang-14 -print-resource-dir 2>&1) && [ -e "$resources/../../libarcher.so" ]; then
    variables=(SAN=thread CC=clang-14)
    try "$build-tsan" tests/model/test_families tests/model/test_session_file \
        tests/text/test_grammar_hard tests/serve/test_sched tests/serve/test_models
else
    n=$((n + 1))
    echo "ok $n - SAN=thread # SKIP no clang-14 with libarcher"
fi
exit $failed
