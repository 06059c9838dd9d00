#!/usr/bin/env bash
# arm64_root.sh - gets the static libraries that an aarch64 build links with, as Debian's
# own arm64 packages, into a folder of their own (whose name it prints). dpkg and the system's
# packages are not touched: apt works on a private state, with the system's sources and keys.
# Needs no root. Nothing is done when the folder is there.
set -eu
root=${GLASS_ARM64_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/glass/arm64-root}
echo "$root"
[ -e "$root/usr/lib/aarch64-linux-gnu/libpng.a" ] && exit
packages="libpcre2-dev libutf8proc-dev libjansson-dev libssl-dev libyaml-dev
    libsqlite3-dev libpng-dev zlib1g-dev"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
: >"$work/status"
options=(-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State="$work"
    -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status"
    -o Dir::Cache="$work/cache" -o Debug::NoLocking=1)
[ "$(id -u)" = 0 ] && options+=(-o APT::Sandbox::User=root)
# Sources that have nothing for arm64 complain; the download tells what matters.
apt-get "${options[@]}" -qq update >"$work/log" 2>&1 || true
# shellcheck disable=SC2086  # the list is words
if ! (cd "$work" && apt-get "${options[@]}" -qq download $packages >>"$work/log" 2>&1); then
    echo "arm64_root.sh: apt cannot get $packages for arm64:" >&2
    tail -5 "$work/log" >&2
    exit 4
fi
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
# jansson and Glass both have a function of this name; in shared libraries neither is seen.
aarch64-linux-gnu-objcopy --redefine-sym utf8_encode=jansson_utf8_encode \
    "$work/root/usr/lib/aarch64-linux-gnu/libjansson.a"
mkdir -p "$(dirname "$root")"
rm -rf "$root"
mv "$work/root" "$root"
