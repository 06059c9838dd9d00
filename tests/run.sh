#!/usr/bin/env bash
# run.sh [BUILD] [PATTERN] - runs every test and ends with "N passed, N failed, N skipped".
#
# A test is a program or script that prints TAP ("ok 1 - name", "not ok 2 - name",
# "ok 3 - name # SKIP why"): C tests are cmocka programs, the rest is tests/*/*.sh and *.py.
# A test that prints no verdict, or ends with a status that its lines don't explain, failed.
set -u
cd "$(dirname "$0")/.." || exit 4
build=${1:-build}
pattern=${2:-.}
export GLASS_BUILD="$build" GLASS="$build/glass" CMOCKA_MESSAGE_OUTPUT=TAP
export GLASS_SHARED="${GLASS_SHARED:-../shared/data}"
peers=$PWD/build/peers/bin/python # ./setup.sh check makes it
[ ! -x "$peers" ] || export GLASS_PEER_PYTHON="${GLASS_PEER_PYTHON:-$peers}"
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() { # NAME COMMAND...
    local name=$1 start=$SECONDS
    shift
    "$@" >"$log" 2>&1
    local status=$? ok bad skip
    sed -i -E 's/^not (ok [0-9]+ # SKIP)/\1/' "$log" # cmocka's way to say it
    skip=$(grep -ciE '^ok .*# skip' "$log")
    ok=$(($(grep -c '^ok ' "$log") - skip))
    bad=$(grep -c '^not ok ' "$log")
    if [ $((ok + skip + bad)) -eq 0 ] || { [ $status -ne 0 ] && [ "$bad" -eq 0 ]; }; then
        bad=$((bad + 1))
        echo "not ok - $name ended with status $status and no failing line" >>"$log"
    fi
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    printf '%-44s %4d passed %3d failed %3d skipped %5ds\n' "$name" "$ok" "$bad" "$skip" \
        $((SECONDS - start))
    [ "$bad" -eq 0 ] || sed 's/^/    /' "$log" | grep -vE '^    ok ' | tail -40
}

for source in tests/*/test_*.c tests/*/test_*.sh tests/*/test_*.py; do
    [ -e "$source" ] || continue
    case $source in *$pattern*) ;; *) [ "$pattern" = . ] || continue ;; esac
    case $source in
    *.c) run "${source%.c}" "$build/${source%.c}" ;;
    *.sh) run "$source" bash "$source" ;;
    *.py) run "$source" python3 "$source" ;;
    esac
done
[ $((passed + failed + skipped)) -gt 0 ] || {
    echo "run.sh: no test's path holds \"$pattern\"" >&2
    failed=1
}
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
