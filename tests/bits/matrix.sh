#!/usr/bin/env bash
# matrix.sh - the same model, prompt and seed give the same bytes, however they are computed:
# every output is compared with tests/bits/golden.txt. TAP.
#
#   matrix.sh                 each axis by itself: instruction sets, threads 1 to 8, ways to
#                             feed a prompt, gcc and clang at -O0 and -O3, aarch64 under qemu
#   matrix.sh --long          all instruction sets, threads and ways, in all builds
#   matrix.sh --write         makes golden.txt anew, with the portable kernels
#   matrix.sh --file MODEL    each axis with a model of yours: all against the portable kernels
#                             on one thread, 24 + 8 tokens, all cache types ("--long" first
#                             for everything)
#
#   matrix.sh --only TEXT     models whose names hold TEXT; --axes LIST: of "sets threads ways
#                             compilers aarch64"
#
# Models are made of tests/model/data/families by bits_model. A tool that is missing skips its
# part. GLASS_BUILD: the build that is there already.
set -u
cd "$(dirname "$0")/../.." || exit 4
. tests/bits/arm64.sh
build=${GLASS_BUILD:-build}
models=$build/bits-models
golden=tests/bits/golden.txt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0 failed=0 long="" file="" only="" axes="sets threads ways compilers aarch64"
names=()

ok() { n=$((n + 1)) && echo "ok $n - $*"; }
not_ok() { n=$((n + 1)) failed=1 && echo "not ok $n - $*"; }

# A build of the two tools: FOLDER [make's variables]. What it prints is kept for a failure.
make_tools() {
    local dir=$1
    shift
    env -u MAKEFLAGS -u MFLAGS make -s -j"$(nproc)" B="$dir" TEST_LIBS= "$@" \
        "$dir/tests/tools/bits" "$dir/tests/tools/bits_model" >"$work/make.log" 2>&1 && return
    not_ok "$dir builds"
    tail -20 "$work/make.log" | sed 's/^/# /'
    return 1
}

make_models() { # FOLDER COMMAND of bits_model, with its emulator
    local folder=$1 name family grow type
    shift
    mkdir -p "$folder"
    "$build/tests/tools/bits" --files | while read -r name family grow type; do
        "$@" "tests/model/data/families/$family.gguf" "$folder/$name.gguf" --grow "$grow" \
            --type "$type" || exit 1
    done
}

# Something to run and compare: NAME ISA COMMAND-of-bits OPTIONS...
job() {
    local script
    script=$work/$(printf %04d ${#names[@]})
    names+=("$1")
    local isa=$2 tool=$3
    shift 3
    if [ -n "$file" ]; then
        set -- --file "$file" tests/bits/file.ids 8 "$@"
    else
        set -- "$models" --only "$only" "$@"
    fi
    # shellcheck disable=SC2086  # the emulator and the tool are words
    printf 'GLASS_ISA=%s %s >%s.out 2>%s.err\n' "$isa" "$(printf '%q ' $tool "$@")" \
        "$script" "$script" >"$script.sh"
}

run_jobs() {
    local i script
    printf '%s\n' "$work"/*.sh | xargs -P "$(nproc)" -n 1 bash
    for i in "${!names[@]}"; do
        script=$work/$(printf %04d "$i")
        if cmp -s "$golden" "$script.out"; then
            ok "${names[i]}"
        else
            not_ok "${names[i]}"
            diff "$golden" "$script.out" | grep '^>' | sed 's/^> /# other bits: /' | head -5
            sed 's/^/# /' "$script.err"
        fi
    done
}

# ---- the axes, for one build: LABEL TOOL ----

last_isa() { $1 --isas | tail -1; } # the set that is chosen by itself

sets() {
    local isa
    for isa in $($2 --isas); do job "$1, $isa" "$isa" "$2"; done
}

threads() {
    local t isa
    isa=$(last_isa "$2")
    for t in 1 2 3 4 5 6 7 8; do job "$1, $isa, threads: $t" "$isa" "$2" --threads "$t"; done
}

ways() { # LABEL TOOL ISA
    local way chunk
    for chunk in 1 7 64; do
        job "$1, $3, in chunks of $chunk" "$3" "$2" --chunk $chunk --threads 2
    done
    for way in truncated reloaded batch; do
        job "$1, $3, $way" "$3" "$2" --way $way --chunk 33 --threads 2
    done
}

everything() {
    local t isa way
    for isa in $($2 --isas); do
        for t in 1 2 3 4 5 6 7 8; do
            for way in at-once truncated reloaded batch; do
                job "$1, $isa, threads: $t, $way" "$isa" "$2" --threads "$t" --way $way \
                    --chunk $((t % 3 == 0 ? 0 : 17 * t))
            done
        done
        job "$1, $isa, token by token" "$isa" "$2" --chunk 1
    done
}

other_build() { # LABEL FOLDER TOOL
    if [ -n "$long" ]; then
        everything "$1" "$3"
    else
        job "$1, c" c "$3"
        job "$1, $(last_isa "$3")" "$(last_isa "$3")" "$3" --threads 2 --chunk 50
    fi
}

compilers() {
    local cc level
    for cc in gcc clang-14; do
        if ! command -v $cc >/dev/null; then
            ok "$cc # SKIP no $cc"
            continue
        fi
        for level in -O0 -O3; do
            # The build that is there is gcc's -O3 unless someone made it otherwise.
            [ -z "$long" ] && [ $cc$level = gcc-O3 ] && continue
            make_tools "$build/bits-$cc$level" CC=$cc O=$level CFLAGS= LDFLAGS= SAN= &&
                other_build "$cc $level" "$build/bits-$cc$level" \
                    "$build/bits-$cc$level/tests/tools/bits"
        done
    done
}

aarch64() {
    local why=$work/why dir=$build/bits-arm64
    arm64_settings >"$why" || { ok "aarch64 # SKIP $(cat "$why")" && return; }
    make_tools "$dir" "${arm64[@]}" || return
    if make_models "$work/models" qemu-aarch64 "$dir/tests/tools/bits_model" &&
        diff -r "$models" "$work/models"; then
        ok "aarch64 makes the same models"
    else
        not_ok "aarch64 makes the same models"
    fi
    if [ -n "$long" ]; then
        everything aarch64 "qemu-aarch64 $dir/tests/tools/bits"
    else
        sets aarch64 "qemu-aarch64 $dir/tests/tools/bits"
        job "aarch64, dotprod, threads: 3" dotprod "qemu-aarch64 $dir/tests/tools/bits" \
            --threads 3 --chunk 33
    fi
}

while [ $# -gt 0 ]; do
    case $1 in
    --long) long=1 ;;
    --write) write=1 ;;
    --file) file=$2 && shift ;;
    --only) only=$2 && shift ;;
    --axes) axes=$2 && shift ;;
    *) sed -n '2,20p' "$0" >&2 && exit 2 ;;
    esac
    shift
done
bits=$build/tests/tools/bits
make_tools "$build" || exit 1
make_models "$models" "$build/tests/tools/bits_model" || { not_ok "models are made" && exit 1; }
if [ -n "${write-}" ]; then
    GLASS_ISA=c "$bits" "$models" >"$work/golden" && mv "$work/golden" "$golden"
    exit
fi
if [ -n "$file" ]; then
    golden=$work/golden
    GLASS_ISA=c "$bits" --file "$file" tests/bits/file.ids 8 >"$golden" || exit 3
fi
if [ -n "$only" ] && [ -z "$file" ]; then
    awk -v text="$only" 'index($1, text)' "$golden" >"$work/golden" && golden=$work/golden
fi
axis() { case " $axes " in *" $1 "*) ;; *) return 1 ;; esac; }
if [ -n "$long" ]; then
    everything "this build" "$bits"
else
    axis sets && sets "this build" "$bits"
    axis threads && threads "this build" "$bits"
    axis ways && ways "this build" "$bits" "$(last_isa "$bits")"
fi
axis compilers && compilers
axis aarch64 && aarch64
run_jobs
exit $failed
