#!/usr/bin/env bash
# peers_gemm.sh - f32 products beside OpenBLAS, BLIS and oneDNN, which only this script needs:
#   apt-get install libopenblas0-openmp libblis4-openmp libdnnl-dev
#   make && bench/peers_gemm.sh build            # once; then for each number of threads:
#   build/bench/peers_gemm THREADS [SECONDS a shape]
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
mkdir -p "$build/bench"
${CC:-cc} -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Iinclude -Isrc -fopenmp \
    -o "$build/bench/peers_gemm" bench/peers/peers_gemm.c "$build/libglass-internal.a" \
    $(pkg-config --libs libpcre2-8 libutf8proc jansson libcrypto) -ldnnl -ldl -lm -lpthread
if [ $# -gt 1 ]; then "$build/bench/peers_gemm" "$2" "${3:-0.5}"; fi
