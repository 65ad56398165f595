#!/bin/sh
# Made-up schemas, data, policies and requests, answered by SQLite and by PostgreSQL and compared: status, headers, body, and the rows
# after each write. The same seed makes the same run. Then the mistakes planted into the guard are hunted in the same way.
#
#   SEED=1 REQUESTS=100000 tools/diff.sh
#
#   SEED       where the run begins (1)
#   REQUESTS   how many requests (100000)
#   THREADS    how many threads share them (2)
#
# A difference is made small and printed as a fixture and a case file, which also go to target/diff: move them to tests/fixtures and
# tests/cases/rest/diff, and mend what they show. What may differ stands in crates/basalt-diff/differences.txt, shown by
# docs/differences.md. Coverage is printed, and a run that reached too little fails.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. "$root/tools/lib.sh"
"$root/tools/prepare.sh" rust postgres
export BASALT_DIFF_REQUESTS="${REQUESTS:-100000}" BASALT_DIFF_SEED="${SEED:-1}" BASALT_DIFF_THREADS="${THREADS:-2}"
export BASALT_DIFF_OUT="${BASALT_DIFF_OUT:-$CARGO_TARGET_DIR/diff}"
exec cargo test --locked --package basalt-diff --test it -- --nocapture diff_
