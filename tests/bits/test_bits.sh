#!/usr/bin/env bash
# test_bits.sh - each axis of tests/bits/matrix.sh by itself: a few minutes.
exec bash "$(dirname "$0")/matrix.sh"
