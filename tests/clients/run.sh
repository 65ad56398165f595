#!/bin/sh
# The official client libraries against the built program: js/*.test.mjs with supabase-js, py/test_*.py with supabase-py.
#
#   tests/clients/run.sh [sqlite] [postgres]      both by default
#   tests/clients/run.sh openapi                  the documents and schemathesis alone, on both engines; how much of it: py/test_openapi.py
#
# Needs `tools/prepare.sh javascript python` and a program: $BASALT_BIN, else the dev build. Each file starts a server of its own
# on a copy of tests/projects/blog. Prints each runner's figures; exits 1 when a test failed.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tools/lib.sh"
here=$root/tests/clients
: "${BASALT_BIN:=$CARGO_TARGET_DIR/debug/basalt}"
export BASALT_BIN
[ -n "${BASALT_TEST_URL:-}" ] || [ -x "$BASALT_BIN" ] || fail "no program at $BASALT_BIN: run cargo build -p basalt, or set BASALT_BIN"
[ -d "$here/node_modules" ] && [ -x "$CARGO_TARGET_DIR/python/bin/python" ] || "$root/tools/prepare.sh" javascript python

javascript() {
  log=$CARGO_TARGET_DIR/clients-js$1.log
  rm -f "$log.status"
  # supabase-js wants a WebSocket as soon as a client is made; node 20 has one behind a flag.
  flag=
  [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 22 ] || flag=--experimental-websocket
  { node $flag --no-warnings --test --test-concurrency=2 --test-reporter=spec "$here"/js/*.test.mjs 2>&1 || echo $? >"$log.status"; } |
    grep -v 'Node.js 20 and below are deprecated' | tee "$log"
  passed=$(sed -n 's/^ℹ pass //p' "$log" | tail -n 1)
  failed=$(sed -n 's/^ℹ fail //p' "$log" | tail -n 1)
  cancelled=$(sed -n 's/^ℹ cancelled //p' "$log" | tail -n 1)
  failed=$((${failed:-0} + ${cancelled:-0}))
  if [ -f "$log.status" ] && [ "$failed" = 0 ]; then failed=1; fi
  count "supabase-js$1" "${passed:-0}" "$failed"
  [ ! -f "$log.status" ]
}

python() {
  log=$CARGO_TARGET_DIR/clients-py$1.log
  rm -f "$log.status"
  { (cd "$here/py" && "$CARGO_TARGET_DIR/python/bin/python" -m pytest -q -p no:cacheprovider "${2:-.}") 2>&1 || echo $? >"$log.status"; } | tee "$log"
  # 3 failed, 25 passed, 1 error in 2.10s
  passed=$(tail -n 1 "$log" | sed -n 's/^\(.*[^0-9]\)*\([0-9]\{1,\}\) passed.*/\2/p')
  failed=$(grep -cE '^(FAILED|ERROR) ' "$log" || true)
  if [ -f "$log.status" ] && [ "$failed" = 0 ]; then failed=1; fi
  count "supabase-py$1" "${passed:-0}" "$failed"
  [ ! -f "$log.status" ]
}

sqlite() {
  status=0
  javascript '' || status=1
  python '' || status=1
  return "$status"
}

# with_databases COMMAND…: with a private PostgreSQL and an empty database for each test file, which ends with this shell.
with_databases() {
  cargo build --quiet --locked --package basalt-testkit --bin private-postgres
  BASALT_TEST_DATABASES=$(mktemp -d)
  export BASALT_TEST_DATABASES
  mkfifo "$BASALT_TEST_DATABASES/life"
  "$CARGO_TARGET_DIR/debug/private-postgres" "$BASALT_TEST_DATABASES" 24 <"$BASALT_TEST_DATABASES/life" &
  server=$!
  exec 3>"$BASALT_TEST_DATABASES/life"
  while [ ! -f "$BASALT_TEST_DATABASES/ready" ] && kill -0 "$server" 2>/dev/null; do sleep 0.1; done
  status=0
  "$@" || status=1
  exec 3>&-
  wait "$server" || status=1
  rm -rf "$BASALT_TEST_DATABASES"
  unset BASALT_TEST_DATABASES
  return "$status"
}

on_postgres() {
  failed_parts=0
  javascript -postgres || failed_parts=1
  python -postgres || failed_parts=1
  return "$failed_parts"
}
postgres() { with_databases on_postgres; }

openapi() {
  python -openapi test_openapi.py && with_databases python -openapi-postgres test_openapi.py
}

if [ $# = 0 ]; then
  set -- sqlite postgres
fi
result=0
for part in "$@"; do
  case $part in sqlite | postgres | openapi) "$part" || result=1 ;; *) fail "run.sh: unknown part $part" ;; esac
done
exit "$result"
