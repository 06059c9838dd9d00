#!/usr/bin/env bash
# test_vec_neon.sh - compiles the functions and vectors for aarch64 and holds NEON to the
# definition under qemu. TAP; skipped where the cross compiler or the emulator is missing.
set -u
cd "$(dirname "$0")/../.." || exit 4
cc=aarch64-linux-gnu-gcc
for tool in $cc qemu-aarch64; do
    command -v $tool >/dev/null || { echo "ok 1 - NEON # SKIP no $tool"; exit 0; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
if ! $cc -std=c17 -D_GNU_SOURCE -O2 -ffp-contract=off -Wall -Wextra -Werror -Iinclude -Isrc \
    -static -o "$dir/check" tests/tools/vec_check.c src/math/c/vec_c.c src/math/functions.c \
    src/math/arm/vec_neon.c -lm; then
    echo "not ok 1 - NEON compiles"
    exit 1
fi
qemu-aarch64 "$dir/check"
