#!/usr/bin/env bash
# test_install.sh - make install with DESTDIR and PREFIX: what is installed is enough to compile
# and run programs against, the program runs from there, and uninstall leaves nothing.
set -u
cd "$(dirname "$0")/../.." || exit 4
build=${GLASS_BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
verdict() { # NAME STATUS
    n=$((n + 1))
    if [ "$2" -eq 0 ]; then echo "ok $n - $1"; else
        echo "not ok $n - $1"
        tail -15 "$work/log" | sed 's/^/# /'
    fi
}
try() { # NAME COMMAND...
    local name=$1
    shift
    "$@" >"$work/log" 2>&1
    verdict "$name" $?
}

# The sanitizers must be linked into what uses a library that was built with them.
flags=()
if nm "$build/libglass.a" 2>/dev/null | grep -q __asan_init; then
    flags=(-fsanitize=address,undefined)
elif nm "$build/libglass.a" 2>/dev/null | grep -q __tsan_init; then
    flags=(-fsanitize=thread)
fi
make="make -s B=$build PREFIX=/opt/glass DESTDIR=$work/root"
top=$work/root/opt/glass
# Everything is built already: only the copying is tested here.
try "make install" $make -o all install
try "the program runs from there" "$top/bin/glass" --version
for header in include/glass/*.h; do
    cmp -s "$header" "$top/$header" || echo "$header"
done >"$work/log" 2>&1
[ ! -s "$work/log" ]
verdict "every public header is there" $?
try "the pkg-config file is well-formed" env PKG_CONFIG_PATH="$top/lib/pkgconfig" \
    pkg-config --validate glass

# As if it had been installed at its place: the paths of the file under DESTDIR.
pc=(env PKG_CONFIG_PATH="$top/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$work/root" pkg-config)
read -ra cflags < <("${pc[@]}" --cflags glass)
read -ra shared < <("${pc[@]}" --libs glass)
read -ra static < <("${pc[@]}" --static --libs glass | sed 's|-lglass|-l:libglass.a|')
python3 -c "import sys; sys.path.insert(0, 'tests/cli'); import tiny_model
tiny_model.write('$work/tiny.gguf')"
for example in examples/*.c; do
    name=$(basename "$example" .c)
    try "$name compiles against the shared library" ${CC:-cc} -std=c17 -Wall -Werror \
        "${cflags[@]}" "${flags[@]}" -o "$work/$name" "$example" "${shared[@]}"
    try "$name compiles against the static one" ${CC:-cc} -std=c17 -Wall -Werror \
        "${cflags[@]}" "${flags[@]}" -o "$work/$name-static" "$example" "${static[@]}"
done
printf '#include <glass/glass.h>\nint main() { return glass_version()[0] == 0; }\n' >"$work/x.cc"
if command -v "${CXX:-g++}" >/dev/null; then
    try "a C++ program compiles" "${CXX:-g++}" "${cflags[@]}" "${flags[@]}" -o "$work/x" "$work/x.cc" \
        "${shared[@]}"
else
    n=$((n + 1))
    echo "ok $n - a C++ program compiles # SKIP there is no C++ compiler"
fi
export LD_LIBRARY_PATH=$top/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
for kind in "" -static; do
    "$work/complete$kind" "$work/tiny.gguf" m >"$work/log" 2>&1 &&
        [ "$(cat "$work/log")" = nopqrstuvwxyz ]
    verdict "complete$kind completes" $?
    "$work/tokenise$kind" "$work/tiny.gguf" "a b" >"$work/log" 2>&1 &&
        [ "$(awk '{printf "%s ", $1}' "$work/log")" = "97 32 98 " ]
    verdict "tokenise$kind tokenises" $?
    "$work/batch$kind" "$work/tiny.gguf" "one" "and two" >"$work/log" 2>&1 &&
        [ "$(grep -c 'the same bits alone and together' "$work/log")" -eq 2 ]
    verdict "batch$kind gives the same bits" $?
done
if command -v man >/dev/null; then
    try "the manual page has no mistakes" sh -c \
        "man --warnings -l '$top/share/man/man1/glass.1' 2>&1 >/dev/null | grep . && exit 1 || exit 0"
else
    n=$((n + 1))
    echo "ok $n - the manual page has no mistakes # SKIP man is not installed"
fi
for word in $("$top/bin/glass" --help | awk '/^  [a-z]+ /{print $1}' | grep -v '^glass$'); do
    grep -qE "^\.B[RI]?I? \"?$word" "$top/share/man/man1/glass.1" || echo "$word"
done >"$work/log"
[ ! -s "$work/log" ]
verdict "the manual page has every command" $?
for command in data tokenizer eval inspect; do
    for part in $("$top/bin/glass" "$command" --help | grep -oE "glass $command [a-z]+ +[A-Z[]" | awk '{print $3}'); do
        tr -d '"' <"$top/share/man/man1/glass.1" | grep -qE "^\.B[RI]?I? $command $part" || echo "$command $part"
    done
done >"$work/log"
[ ! -s "$work/log" ]
verdict "and every part of commands" $?

# Completion, asked as bash asks it.
mkdir -p "$work/home/models"
mv "$work/tiny.gguf" "$work/home/models/Tiny-Model.gguf"
export GLASS_HOME=$work/home HOME=$work PATH=$top/bin:$PATH
complete_words() { # WORDS...: the proposals for the last one
    bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _glass
        printf "%s\n" "${COMPREPLY[@]}"' _ \
        "$top/share/bash-completion/completions/glass" "$@" 2>>"$work/log"
}
proposes() { # NAME WANTED WORDS...
    local name=$1 wanted=$2
    shift 2
    : >"$work/log"
    complete_words "$@" >>"$work/log"
    grep -qxF -- "$wanted" "$work/log"
    verdict "completion: $name" $?
}
cd "$work" || exit 4
proposes "commands" complete glass co
proposes "options" --temp glass complete --te
proposes "options of parts" --lines glass tokenizer encode --li
proposes "parts" encode glass tokenizer en
proposes "pre-tokenizers" smollm glass tokenizer train a.json --pre sm
proposes "models by name, in any case" Tiny-Model glass chat tiny
proposes "models after -m" Tiny-Model glass complete -m T
proposes "values" q8_0 glass chat --cache-type q
proposes "help" bench glass help be
touch my.yaml my.txt
mkdir -p my.run
proposes "recipes" my.yaml glass train m
proposes "runs" my.run glass train --resume m
proposes "texts" my.txt glass trace my.run -f m
proposes "forms of evidence" slsa glass audit x --emit s
proposes "rules, several" exact,near glass data clean a b --rules exact,n
for command in data tokenizer eval inspect; do
    for part in $("$top/bin/glass" "$command" --help | grep -oE "glass $command [a-z]+ +[A-Z[]" | awk '{print $3}'); do
        proposes "$command $part" "$part" glass "$command" "${part:0:2}"
    done
done
proposes "help of parts" layers glass help inspect la
: >"$work/log"
"$top/bin/glass" data --help | grep -oE 'glass data [a-z]+' | awk '{print $3}' | sort -u >"$work/parts"
complete_words glass data "" | sort -u | diff - "$work/parts" >>"$work/log"
[ -s "$work/parts" ] && [ ! -s "$work/log" ]
verdict "completion: every part of data" $?
cd - >/dev/null || exit 4

try "make uninstall" $make uninstall
find "$work/root" ! -type d >"$work/log"
[ ! -s "$work/log" ]
verdict "leaves nothing behind" $?
[ $n -gt 0 ]
