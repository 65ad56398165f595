#!/bin/sh
# All tests, from nothing: prepares what is missing, builds, runs the Rust tests, then the client libraries against the binary.
#
#   tools/test.sh [prepare] [build] [rust] [clients]      all by default
#
# Prints each step with its time and budget (cold, two cores), and the sum of all runners as the last line. A figure counts
# single tests and single cases; cases known to be wrong count as failed without failing the run.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. "$root/tools/lib.sh"

prepare() { "$root/tools/prepare.sh"; }

build() { cargo build --workspace --all-targets --locked; }

rust() {
  log=$CARGO_TARGET_DIR/cargo-test.log
  cases=$CARGO_TARGET_DIR/cases.log
  rm -f "$cases" "$log.status"
  # Without a pipe's status in POSIX sh, cargo's is kept in a file.
  { BASALT_CASE_REPORT=$cases cargo test --workspace --locked --no-fail-fast 2>&1 || echo $? >"$log.status"; } | tee "$log"
  sums=$(awk '/^test result: / { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i } } END { print p + 0, f + 0 }' "$log")
  passed=${sums% *} failed=${sums#* }
  # A crate that does not compile, or a test binary that crashes, prints no result.
  if [ -f "$log.status" ] && [ "$failed" = 0 ]; then failed=1; fi
  count cargo "$passed" "$failed"
  if [ -f "$cases" ]; then
    # A name may have blanks; the four figures stand at the end.
    while read -r passed failed known_wrong pending name; do
      [ "$pending" = 0 ] || say "cases $name: $pending pending, counted neither way"
      [ "$known_wrong" = 0 ] || say "cases $name: $known_wrong known-wrong, counted as failed"
      count "cases:$(echo "$name" | tr ' ' '-')" "$passed" $((failed + known_wrong))
    done <<END
$(awk '{ n = $1; for (i = 2; i <= NF - 4; i++) n = n " " $i; print $(NF - 3), $(NF - 2), $(NF - 1), $NF, n }' "$cases")
END
  fi
  [ ! -f "$log.status" ]
}

clients() { "$root/tests/clients/run.sh"; }

budget() { case $1 in prepare) echo 5 ;; build) echo 12 ;; rust) echo 20 ;; clients) echo 7 ;; *) fail "test.sh: unknown step $1" ;; esac; }

if [ $# = 0 ]; then
  set -- prepare build rust clients
fi
[ -n "${BASALT_FIGURES:-}" ] || rm -f "$figures" "$times"
status=0
for name in "$@"; do
  minutes=$(budget "$name")
  step "$name" "$minutes" "$name" || { status=1; case $name in prepare | build) break ;; esac; }
done
print_figures
exit "$status"
