#!/usr/bin/env bash
# matrix.sh - one run of training, 2 million parameters and 200 steps, gives the weights of
# tests/train/matrix.golden (their SHA-256 after steps 50, 150 and 200), however it is computed. TAP.
#
#   matrix.sh                 this build: instruction sets (c up to step 50), threads 1, 2, 4, 8,
#                             processes 1 to 4, killed 5 times
#   matrix.sh --long          gcc and clang at -O0 and -O3 with every instruction set (c, avx2, avx512
#                             to step 200; -O0's c to 150), threads 1, 2, 4, 8 with each, processes 1
#                             to 4, aarch64 under qemu up to step 150, killed 50 times: hours
#   matrix.sh --axes LIST     of "sets threads processes kills compilers aarch64" (all of --long)
#   matrix.sh --write         makes matrix.golden anew, with the portable kernels
#
# A tool that is missing skips its part. GLASS_BUILD: the build that is there already.
set -u
cd "$(dirname "$0")/../.." || exit 4
. tests/bits/arm64.sh
build=${GLASS_BUILD:-build}
golden=tests/train/matrix.golden
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0 long="" axes="" write=""

ok() { n=$((n + 1)) && echo "ok $n - $*"; }
not_ok() { n=$((n + 1)) failed=1 && echo "not ok $n - $*"; }

while [ $# -gt 0 ]; do
    case $1 in
    --long) long=1 ;;
    --write) write=1 ;;
    --axes) axes=$2 && long=1 && shift ;;
    *) sed -n '2,15p' "$0" >&2 && exit 2 ;;
    esac
    shift
done
if [ -z "$axes" ]; then
    axes="sets threads processes kills"
    [ -z "$long" ] || axes+=" compilers aarch64"
fi
axis() { case " $axes " in *" $1 "*) ;; *) return 1 ;; esac; }

# A build of the tool: FOLDER [make's variables].
make_tool() {
    local dir=$1
    shift
    env -u MAKEFLAGS -u MFLAGS make -s -j"$(nproc)" B="$dir" TEST_LIBS= "$@" \
        "$dir/tests/tools/train_run" >"$work/make.log" 2>&1 && return
    not_ok "$dir builds"
    tail -20 "$work/make.log" | sed 's/^/# /'
    return 1
}

python3 tests/train/matrix_files.py "$work" || { not_ok "text and vocabulary" && exit 1; }
recipe=$work/matrix.yaml

# The digests that a run's ledger has, a line each: STEP SHA-256.
digests() { # FOLDER LAST
    sed -nE 's/^\{"step":([0-9]+),.*"weights":"([0-9a-f]+)".*/\1 \2/p' "$1/ledger.jsonl" |
        awk -v last="$2" '($1 == 50 || $1 == 150 || $1 == 200) && $1 <= last'
}

compare() { # NAME FOLDER LAST
    digests "$2" "$3" >"$work/have"
    awk -v last="$3" '$1 <= last' $golden >"$work/want"
    if [ -s "$work/want" ] && cmp -s "$work/want" "$work/have"; then
        ok "$1: the weights after step $3"
    else
        not_ok "$1: the weights after step $3"
        sed 's/^/# /' "$work/have" "$work/err"
    fi
    rm -rf "$2"
}

train() { # NAME ISA LAST THREADS COMMAND...
    local name=$1 isa=$2 last=$3 threads=$4
    shift 4
    rm -rf "$work/run"
    GLASS_ISA=$isa "$@" "$recipe" "$work/run" "$threads" "$last" >/dev/null 2>"$work/err"
    compare "$name" "$work/run" "$last"
}

isas() { # what this machine can do
    local isa
    for isa in c avx2 avx512 neon; do
        rm -rf "$work/probe"
        GLASS_ISA=$isa "$1" "$recipe" "$work/probe" 1 1 >/dev/null 2>&1 && echo $isa
    done
}

sets() { # LABEL TOOL LAST-OF-C
    local isa
    for isa in $(isas "$2"); do
        train "$1, $isa" "$isa" "$([ "$isa" = c ] && echo "$3" || echo 200)" 1 "$2"
    done
}

threads() { # TOOL
    local t isa list
    list=$(isas "$1" | tail -1)
    [ -z "$long" ] || list=$(isas "$1")
    for isa in $list; do
        for t in 1 2 4 8; do
            train "$isa, threads: $t" "$isa" "$([ "$isa" = c ] && echo 50 || echo 200)" "$t" "$1"
        done
    done
}

processes() { # the program, started by mpirun
    local p
    if ! command -v mpirun >/dev/null; then
        ok "processes # SKIP no mpirun"
        return
    fi
    env -u MAKEFLAGS -u MFLAGS make -s -j"$(nproc)" B="$build" TEST_LIBS= program >"$work/make.log" 2>&1 ||
        { not_ok "the program builds" && return; }
    if [ ! -e "$build/glass-mpi.so" ]; then
        ok "processes # SKIP this build has no MPI"
        return
    fi
    for p in 1 2 3 4; do
        rm -rf "$work/run"
        mpirun --allow-run-as-root --oversubscribe --bind-to none -n $p "$build/glass" train \
            "$recipe" -o "$work/run" -t 1 -q >/dev/null 2>"$work/err"
        compare "processes: $p" "$work/run" 200
    done
}

# Killed at random moments, each so far from the last that a few steps are done between.
kills() { # TOOL HOW-MANY
    local count=0 tries=0 pid
    sed 's/every: 50/every: 2/' "$recipe" >"$work/kills.yaml"
    grep -q 'every: 2}' "$work/kills.yaml" || { not_ok "the recipe with more checkpoints" && return; }
    rm -rf "$work/run"
    while [ $tries -lt 2000 ]; do
        tries=$((tries + 1))
        "$1" "$work/kills.yaml" "$work/run" $((tries % 3 + 1)) >/dev/null 2>"$work/err" &
        pid=$!
        if [ $count -lt "$2" ]; then
            sleep "$(awk -v r=$RANDOM -v k="$2" 'BEGIN { print 0.05 + r / 32768 * (k > 20 ? 0.5 : 2) }')"
            kill -KILL $pid 2>/dev/null && count=$((count + 1))
        fi
        wait $pid 2>/dev/null && break
    done
    compare "killed $count times and resumed" "$work/run" 200
}

compilers() {
    local cc level dir
    for cc in gcc clang-14; do
        command -v $cc >/dev/null || { ok "$cc # SKIP no $cc" && continue; }
        for level in -O0 -O3; do
            dir=$build/bits-$cc$level
            make_tool "$dir" CC=$cc O=$level CFLAGS= LDFLAGS= SAN= &&
                sets "$cc $level" "$dir/tests/tools/train_run" "$([ $level = -O0 ] && echo 150 || echo 200)"
        done
    done
}

aarch64() {
    local why=$work/why dir=$build/bits-arm64 isa
    arm64_settings >"$why" || { ok "aarch64 # SKIP $(cat "$why")" && return; }
    make_tool "$dir" "${arm64[@]}" || return
    for isa in neon c; do
        train "aarch64 under qemu, $isa" $isa 150 1 qemu-aarch64 "$dir/tests/tools/train_run"
    done
}

tool=$build/tests/tools/train_run
make_tool "$build" || exit 1
if [ -n "$write" ]; then
    GLASS_ISA=c "$tool" "$recipe" "$work/run" "$(nproc)" 200 && digests "$work/run" 200 >$golden
    exit
fi
if [ -n "$long" ]; then
    axis sets && sets "this build" "$tool" 200
else
    axis sets && sets "this build" "$tool" 50
fi
axis threads && threads "$tool"
axis processes && processes
axis kills && kills "$tool" "$([ -n "$long" ] && echo 50 || echo 5)"
axis compilers && compilers
axis aarch64 && aarch64
exit $failed
