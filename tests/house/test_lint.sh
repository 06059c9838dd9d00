#!/usr/bin/env bash
# test_lint.sh - the tree's own rules, as a test.
exec tests/lint.sh
