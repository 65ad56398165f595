#!/bin/sh
# The long runs. Each is an ordinary test that reads its size from the environment: small in `make test`, large here, so that
# nothing exists only at night.
#
#   tools/nightly.sh [diff] [durability] [kills] [copy] [fuzz] [bounded] [cuts] [faults] [pooler] [schemathesis] [load] [footprint] [corpus] [features] [majors] [bench]      all by default
#
#   BASALT_DIFF_REQUESTS      made-up requests compared between SQLite and PostgreSQL; BASALT_DIFF_SEED repeats a run
#   BASALT_CUTS               power cuts under concurrent writers
#   BASALT_KILLS              kill -9 of a server under load
#   BASALT_COPY_ROWS          rows of the table that is copied both ways
#   BASALT_BOUNDED_ROWS       rows of the table that strangers query
#   BASALT_FAULT_ROUNDS       times the database is ended, killed, stopped and filled under load
#   BASALT_LOAD_CONNECTIONS   connections that ask at once
#   BASALT_SCHEMATHESIS_EXAMPLES, BASALT_SCHEMATHESIS_PHASES   requests made up for each operation, and in which of its ways
#   BASALT_FUZZ_SECONDS       time for each fuzz target
#   BASALT_MAJORS             versions of PostgreSQL, by default 14 15 16 17 18
#   BASALT_CORPUS             folder of real projects' migrations
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. "$root/tools/lib.sh"

# long CRATE FILTER: the tests of a crate whose names contain FILTER, in release mode ($profile: in that). None found is a failure.
long() {
  log=$CARGO_TARGET_DIR/nightly.log
  rm -f "$log.status"
  { cargo test --profile "${profile:-release}" --locked --package "$1" -- --nocapture "$2" 2>&1 || echo $? >"$log.status"; } | tee "$log"
  sums=$(awk '/^test result: / { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i } } END { print p + 0, f + 0 }' "$log")
  passed=${sums% *} failed=${sums#* }
  if [ $((passed + failed)) = 0 ] && [ ! -f "$log.status" ]; then say "no test of $1 is named $2" && failed=1; fi
  if [ -f "$log.status" ] && [ "$failed" = 0 ]; then failed=1; fi
  count "nightly:${BASALT_TEST_POSTGRES:+pg$BASALT_TEST_POSTGRES:}${2:-$1}" "$passed" "$failed"
  [ "$failed" = 0 ]
}

diff() { BASALT_DIFF_REQUESTS=${BASALT_DIFF_REQUESTS:-100000} long basalt-diff diff_; }
durability() { BASALT_CUTS=${BASALT_CUTS:-1000} long basalt-sqlite power_cut; }
copy() { BASALT_COPY_ROWS=${BASALT_COPY_ROWS:-2000000} long basalt copy_of_a_large_table; }
kills() { BASALT_KILLS=${BASALT_KILLS:-200} long basalt kill_nine; }
fuzz() {
  export BASALT_FUZZ_SECONDS="${BASALT_FUZZ_SECONDS:-300}"
  status=0
  profile=fuzz
  for crate in basalt-rest basalt-sql basalt-sqlite basalt-token; do long "$crate" fuzz_ || status=1; done
  profile=
  return "$status"
}
cuts() { BASALT_EVERY_BYTE=1 long basalt-postgres cuts; }
faults() { BASALT_FAULT_ROUNDS=${BASALT_FAULT_ROUNDS:-20} long basalt faults; }
# All REST cases through PgBouncer in transaction mode.
pooler() {
  profile=dev
  status=0
  BASALT_POOLED_CASES=all long basalt-rest rest_through_a_pooler || status=1
  profile=
  return "$status"
}
# Requests that schemathesis makes up from our OpenAPI document, on both engines.
schemathesis() {
  cargo build --locked --package basalt &&
    BASALT_SCHEMATHESIS_PHASES=${BASALT_SCHEMATHESIS_PHASES:-coverage,fuzzing} BASALT_SCHEMATHESIS_EXAMPLES=${BASALT_SCHEMATHESIS_EXAMPLES:-20} \
      "$root/tests/clients/run.sh" openapi
}
load() { BASALT_LOAD_CONNECTIONS=${BASALT_LOAD_CONNECTIONS:-2000} BASALT_LOAD_WAVES=${BASALT_LOAD_WAVES:-20} long basalt overload; }
bounded() { BASALT_BOUNDED_ROWS=${BASALT_BOUNDED_ROWS:-2000000} long basalt bounded; }
footprint() { long basalt footprint; }
corpus() {
  [ -d "${BASALT_CORPUS:-}" ] || { say "BASALT_CORPUS names no folder: put a folder of migrations for each project into one folder and set it"; return 1; }
  long basalt-sqlite corpus
}
features() { cargo check --workspace --locked --no-default-features && cargo check --workspace --locked && cargo check --workspace --locked --all-features; }
# The engine's tests, the REST cases and the drop-in's tests on every served major; the cases' expectations are 17's.
majors() {
  status=0
  profile=dev
  for major in ${BASALT_MAJORS:-14 15 16 17 18}; do
    export BASALT_TEST_POSTGRES="$major"
    say "PostgreSQL $major: $("$root/tools/fetch-postgres.sh" "$major")" || status=1
    long basalt-postgres "" || status=1
    long basalt-rest rest_on_postgres || status=1
    long basalt dropin || status=1
  done
  unset BASALT_TEST_POSTGRES
  profile=
  return "$status"
}
bench() { "$root/tools/bench.sh"; }

if [ $# = 0 ]; then set -- diff durability kills copy fuzz bounded cuts faults pooler schemathesis load footprint corpus features majors bench; fi
rm -f "$figures" "$times"
"$root/tools/prepare.sh" rust postgres pgbouncer python
status=0
for name in "$@"; do
  case $name in diff | durability | kills | copy | fuzz | bounded | cuts | faults | pooler | schemathesis | load | footprint | corpus | features | majors | bench) ;; *) fail "nightly.sh: unknown run $name" ;; esac
  step "$name" 60 "$name" || status=1
done
print_figures
exit "$status"
