# arm64.sh - to be sourced: what a build for aarch64 is made with.
#
# arm64_settings: sets the array `arm64` to make's variables; or says why not, with status 1. The
# tools that are run so need none of the libraries that read archives and pages, which are not in
# the root that arm64_root.sh makes.
arm64_settings() {
    local tool root
    for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
        command -v $tool >/dev/null || { echo "no $tool" && return 1; }
    done
    root=${GLASS_ARM64_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/glass/arm64-root}/usr
    if [ ! -e "$root/lib/aarch64-linux-gnu/libpng.a" ]; then
        echo "no arm64 libraries: tests/bits/arm64_root.sh gets them"
        return 1
    fi
    # shellcheck disable=SC2034  # for whoever sources this
    arm64=(CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar O=-O2 SAN= MPI=0
        LIBS="$(pkg-config --libs libpcre2-8 libutf8proc jansson libcrypto yaml-0.1 sqlite3 libpng \
            zlib) -lm -lpthread"
        CFLAGS="-isystem $root/include -isystem $root/include/aarch64-linux-gnu"
        LDFLAGS="-static -L$root/lib/aarch64-linux-gnu")
}
