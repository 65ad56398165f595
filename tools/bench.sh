#!/usr/bin/env bash
# Builds the release programs and measures Basalt against the bare server; arguments go to `basalt-bench run`.
#
#   tools/bench.sh                        all workloads on both engines, five rounds, then the plot (about half an hour)
#   tools/bench.sh --rounds 3 --only one_row,insert
#   tools/bench.sh --engines sqlite         without PostgreSQL
#   tools/bench.sh --growth 1000,100000   only the plot of a keyed read's time over these numbers of rows
#   BENCH_WITHOUT_BASALT=1 tools/bench.sh  the constant and the bare server alone
#
# Exit code 1 when a ratio is below its floor. All traffic stays on 127.0.0.1.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v wrk >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo '+ apt-get update && apt-get install --yes --no-install-recommends wrk' >&2
        if ! { apt-get update && apt-get install --yes --no-install-recommends wrk; } >/tmp/basalt-bench-apt.log 2>&1; then
            cat /tmp/basalt-bench-apt.log >&2
            exit 1
        fi
    else
        echo 'bench: wrk is missing; install it with your package manager (Debian: apt-get install wrk)' >&2
        exit 1
    fi
fi

target="${CARGO_TARGET_DIR:-target}"
programs=(--package basalt-bench)
arguments=(--work "$target/bench")
if [ -z "${BENCH_WITHOUT_BASALT:-}" ]; then
    programs+=(--package basalt --package basalt-testkit --bin basalt --bin basalt-bench --bin private-postgres)
    arguments+=(--basalt "$target/release/basalt" --private-postgres "$target/release/private-postgres")
fi
echo "+ cargo build --release --locked ${programs[*]}" >&2
cargo build --release --locked "${programs[@]}"
if [ -z "${BENCH_WITHOUT_BASALT:-}" ]; then
    case " $* " in *" --engines "*) ;; *) arguments+=(--engines sqlite,postgres) ;; esac
    if pgbouncer=$(PATH="$PATH:/usr/sbin" command -v pgbouncer); then
        arguments+=(--pgbouncer "$pgbouncer")
    else
        echo 'bench: without PgBouncer, which is not installed (tools/prepare.sh pgbouncer)' >&2
    fi
fi
held=0
"$target/release/basalt-bench" run "${arguments[@]}" "$@" || held=1
# What was asked for by name is all that is wanted.
case " $* " in
    *" --only "* | *" --growth "*) ;;
    *)
        if [ -z "${BENCH_WITHOUT_BASALT:-}" ]; then
            "$target/release/basalt-bench" run "${arguments[@]}" --rounds 3 --seconds 2 --growth 1000,10000,100000,1000000,10000000 || held=1
        fi
        ;;
esac
exit "$held"
