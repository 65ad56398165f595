#!/bin/sh
# Builds Basalt and serves the example project. Needs cargo, its registry and a C compiler; no root, no Node, no PostgreSQL.
#
#   tools/run.sh [FOLDER] [further arguments of `basalt serve`]      examples/todo by default
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/tools/lib.sh"

command -v cargo >/dev/null 2>&1 || fail "cargo is missing: install Rust from https://rustup.rs"
command -v cc >/dev/null 2>&1 || fail "a C compiler (cc) is missing: SQLite and the cryptography are built from C source (Debian: apt-get install gcc libc6-dev)"

folder=$root/examples/todo
case ${1:-} in '' | -*) ;; *) folder=$1 && shift ;; esac
[ -d "$folder" ] || fail "no project folder at $folder"

# The dev profile: its first build takes a third of the release build's time, and its answers are the same.
basalt=$CARGO_TARGET_DIR/debug/basalt
[ -x "$basalt" ] || say "Building Basalt: the first time takes about 3 minutes on two cores, later starts take seconds."
# Offline when everything was fetched before, so that a second start needs no network.
offline=
if cargo metadata --manifest-path "$root/Cargo.toml" --locked --offline --format-version 1 >/dev/null 2>&1; then offline=--offline; fi
cargo build --manifest-path "$root/Cargo.toml" --locked $offline --package basalt ||
  fail "the build failed; if crates could not be downloaded, the first build needs cargo's registry once"
exec "$basalt" serve --project "$folder" "$@"
