#!/bin/sh
# Formatting, lints, dependencies and scripts. Fails on the first kind of problem only after all were looked for.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
. "$root/tools/lib.sh"

format() { cargo fmt --all --check; }
clippy() { cargo clippy --workspace --all-targets --locked -- -D warnings; }
dependencies() { python3 tools/check-deps.py; }
scripts() {
  files=$(git ls-files '*.sh' .ci/run)
  for file in $files; do
    case $(head -n 1 "$file") in *bash*) bash -n "$file" || return 1 ;; *) sh -n "$file" || return 1 ;; esac
    [ -x "$file" ] || [ "$file" = tools/lib.sh ] || { say "$file is not executable"; return 1; }
  done
  if command -v shellcheck >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    shellcheck -x -P SCRIPTDIR $files
  else
    say "shellcheck is not installed: only the syntax of scripts was checked"
  fi
}

[ -n "${BASALT_FIGURES:-}" ] || rm -f "$times"
status=0
step format 1 format || status=1
step scripts 1 scripts || status=1
step dependencies 1 dependencies || status=1
step clippy 6 clippy || status=1
exit "$status"
