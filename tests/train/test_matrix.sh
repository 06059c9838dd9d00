#!/usr/bin/env bash
# test_matrix.sh - the short form of matrix.sh.
exec bash "$(dirname "$0")/matrix.sh"
