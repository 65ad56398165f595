# Shared by the scripts of this folder; sourced, with $root set to the repository.
# shellcheck shell=sh

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}"
# Figures of the runners, one a line: NAME PASSED FAILED, and times of the steps: NAME SECONDS BUDGET_MINUTES STATUS.
figures=${BASALT_FIGURES:-$CARGO_TARGET_DIR/figures}
times=${BASALT_TIMES:-$CARGO_TARGET_DIR/times}

say() { printf '%s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step NAME BUDGET_MINUTES COMMAND…: runs it, then prints how long it took. Its status is the command's.
step() {
  step_name=$1 step_budget=$2
  shift 2
  say "==> $step_name"
  step_start=$(date +%s)
  step_status=0
  "$@" || step_status=$?
  step_seconds=$(($(date +%s) - step_start))
  step_note=
  [ "$step_seconds" -le $((step_budget * 60)) ] || step_note=", over its budget"
  [ "$step_status" = 0 ] && step_word=done || step_word="FAILED ($step_status)"
  say "<== $step_name: $step_word in $((step_seconds / 60)) min $((step_seconds % 60)) s (budget $step_budget min$step_note)"
  mkdir -p "$(dirname "$times")" && echo "$step_name $step_seconds $step_budget $step_status" >>"$times"
  return "$step_status"
}

# count NAME PASSED FAILED: notes a runner's figures.
count() {
  mkdir -p "$(dirname "$figures")"
  echo "$1 $2 $3" >>"$figures"
}

# The figures as a table, with the sum as the last line.
print_figures() {
  [ -f "$figures" ] || { say "0 passed, 0 failed"; return; }
  awk '{ printf "%-28s %6d passed, %4d failed\n", $1, $2, $3; p += $2; f += $3 } END { printf "%d passed, %d failed\n", p, f }' "$figures"
}
