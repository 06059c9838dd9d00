#!/usr/bin/env bash
# test_neon.sh - compiles the kernels for aarch64 and holds the NEON ones, and those with
# sdot, to the definition under qemu. TAP; skipped where the cross compiler or the emulator is
# missing.
set -u
cd "$(dirname "$0")/../.." || exit 4
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    command -v $tool >/dev/null || { echo "ok 1 - NEON # SKIP no $tool"; exit 0; }
done
dir=${GLASS_BUILD:-build}/arm64
# Only what needs no library, so that nothing but the compiler has to be there.
sources="src/base/fail.c src/base/mem.c src/base/team.c
    $(echo src/math/*.c src/math/c/*.c src/math/arm/*.c)"
groups="vec float attn q32 qk quant"
# shellcheck disable=SC2086  # the lists are words
if ! make -s -j"$(nproc)" B="$dir" O=-O2 CC=$cc AR=aarch64-linux-gnu-ar PKG_CONFIG=true \
    LIB_SRC="$(echo $sources)" LIBS=-lm TEST_LIBS= LDFLAGS=-static \
    $(printf "$dir/tests/tools/check_%s_rows " $groups) >"$dir.log" 2>&1; then
    echo "not ok 1 - the kernels compile for aarch64"
    sed 's/^/# /' "$dir.log" | tail -20
    exit 1
fi
status=0
for group in $groups; do
    qemu-aarch64 "$dir/tests/tools/check_${group}_rows" || status=1
done
exit $status
