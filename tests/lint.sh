#!/usr/bin/env bash
# lint.sh - what can be checked by reading the tree: who may see whom, banned calls, names
# that the library exports, unique file names, headers that compile alone. Prints TAP.
set -u
cd "$(dirname "$0")/.." || exit 4
build=${GLASS_BUILD:-build}
n=0
verdict() { # NAME FINDINGS
    n=$((n + 1))
    if [ -z "$2" ]; then echo "ok $n - $1"; else
        echo "not ok $n - $1"
        printf '%s\n' "$2" | sed 's/^/# /'
    fi
}

# Each room may include itself, the public headers and the rooms named here.
rooms() {
    case $1 in
    base) echo base ;;
    comm) echo base comm ;;
    math) echo base math ;;
    format) echo base math format ;;
    text) echo base format text ;;
    model) echo base math format text model ;;
    train) echo base comm math format text model train ;;
    data) echo base comm math format text model train data ;;
    open) echo base comm math format text model train data open ;;
    inspect) echo base math format text model train inspect ;;
    store) echo base store ;;
    serve) echo base store serve ;;
    cli) echo base store serve cli ;;
    esac
}
findings=$(for room in base comm math format text model train data open inspect store serve cli; do
    allowed=$(rooms $room | tr ' ' '|')
    grep -rnoE '#include "[a-z]+/' src/$room | grep -vE "\"($allowed|glass)/" |
        sed "s|^|$room must not see: |"
done)
verdict "rooms see only what they may" "$findings"

findings=$(git grep -nE '\b(strcpy|strcat|sprintf|strtok|atoi|alloca|gets)\(' -- src include |
    grep -vE 'strncat|snprintf|vsnprintf|fgets')
verdict "no banned calls" "$findings"

findings=$(git ls-files src include tests bench fuzz examples | grep -E '\.(c|h)$' |
    xargs -n1 basename | grep -vE '^(tokenizer|template|model|session|sampler)\.h$' |
    sort | uniq -d)
verdict "file names are unique" "$findings"

findings=$(nm -D --defined-only "$build/libglass.so" | awk '{print $3}' | grep -v '^glass_')
verdict "the shared library exports glass_ names only" "$findings"
findings=$(nm -g --defined-only "$build/libglass.a" 2>/dev/null | awk 'NF==3{print $3}' |
    grep -v '^glass_')
verdict "the static library exports glass_ names only" "$findings"

# Headers of another machine's instructions are compiled there (tests/math/test_neon.sh).
[ "$(uname -m)" = aarch64 ] && elsewhere=src/math/x86/ || elsewhere=src/math/arm/
findings=$(for header in $(git ls-files 'include/*.h' 'src/*.h' | grep -v "^$elsewhere"); do
    echo "#include \"$header\"" |
        cc -std=c17 -D_GNU_SOURCE -I. -Iinclude -Isrc -fsyntax-only -x c - 2>&1 | head -2
done)
verdict "headers compile alone" "$findings"

findings=$(git grep -nE -- '-Ofast|-ffast-math|-funsafe-math' -- Makefile src)
verdict "no flag that breaks exact arithmetic" "$findings"

# Debian 12's version decides; tables whose layout carries meaning say "clang-format off".
format=$(command -v clang-format-14)
if [ -z "$format" ]; then
    n=$((n + 1))
    echo "ok $n - every file is formatted # SKIP there is no clang-format-14"
else
    findings=$(git ls-files -z '*.c' '*.h' '*.inc' | xargs -0 -n8 -P"$(nproc)" \
        "$format" --dry-run -Werror 2>&1 | grep -oE '^[^ :]+:[0-9]+' | sort -u |
        awk -F: '!seen[$1]++' | head -20)
    verdict "every file is formatted (clang-format-14 -i FILE)" "$findings"
fi
