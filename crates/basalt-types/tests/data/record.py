#!/usr/bin/env python3
"""Rewrites the answers in this folder's tables with those of a PostgreSQL server (17, TimeZone UTC, C collation).

Usage: PGHOST=/path/to/socket PGUSER=postgres ./record.py
A line is fields separated by tabs, with \\t, \\n and \\\\ escaped. Only the question's fields are read: type and text in input.txt;
value type, text and target type in cast.txt; operation and arguments in ops.txt; type and values in order.txt. Lines that begin with "!" record an answer of our own and are kept as they are.
"""
import os, subprocess, sys

SETUP = r"""
create function pg_temp.e(s text) returns text language sql immutable as
  $$ select coalesce(replace(replace(replace(s, '\', '\\'), E'\t', '\t'), E'\n', '\n'), '') $$;
create function pg_temp.try_input(ty text, s text) returns text language plpgsql as $$
declare t text; j text; m text; d text; h text; st text;
begin
  if ty ~ '^jsonb?$' then
    execute format('select format(''%%s'', v), to_json(v)::text from (select %L::%s as v) x', s, ty) into t, j;
  else
    execute format('select format(''%%s'', v), to_json(v)::text from json_to_record(json_build_object(''v'', $1)) as x(v %s)', ty)
      into t, j using s;
  end if;
  return 'ok' || E'\t' || pg_temp.e(t) || E'\t' || pg_temp.e(j);
exception when others then
  get stacked diagnostics m = message_text, d = pg_exception_detail, h = pg_exception_hint, st = returned_sqlstate;
  return 'error' || E'\t' || st || E'\t' || pg_temp.e(m) || E'\t' || pg_temp.e(d) || E'\t' || pg_temp.e(h);
end $$;
create function pg_temp.try_cast(ty text, s text, target text) returns text language plpgsql as $$
declare t text; m text; d text; h text; st text;
begin
  execute format('select format(''%%s'', %L::%s::%s)', s, ty, target) into t;
  return 'ok' || E'\t' || pg_temp.e(t);
exception when others then
  get stacked diagnostics m = message_text, d = pg_exception_detail, h = pg_exception_hint, st = returned_sqlstate;
  return 'error' || E'\t' || st || E'\t' || pg_temp.e(m) || E'\t' || pg_temp.e(d) || E'\t' || pg_temp.e(h);
end $$;
create function pg_temp.try_json(ty text, s text) returns text language plpgsql as $$
declare t text; m text; d text; h text; st text;
begin
  execute format('select format(''%%s'', v) from json_to_record((''{"k":'' || $1 || ''}'')::json) as x(k %s), lateral (select x.k as v) y', ty)
    into t using s;
  return 'ok' || E'\t' || pg_temp.e(t);
exception when others then
  get stacked diagnostics m = message_text, d = pg_exception_detail, h = pg_exception_hint, st = returned_sqlstate;
  return 'error' || E'\t' || st || E'\t' || pg_temp.e(m) || E'\t' || pg_temp.e(d) || E'\t' || pg_temp.e(h);
end $$;
"""
# What each operation of ops.txt is in SQL; %L stand for its two arguments.
OPS = {
    "add": "$1::numeric + $2::numeric", "sub": "$1::numeric - $2::numeric", "mul": "$1::numeric * $2::numeric",
    "div": "$1::numeric / $2::numeric", "rem": "$1::numeric % $2::numeric", "round": "round($1::numeric, $2::int)",
    "trunc": "trunc($1::numeric, $2::int)", "floor": "floor($1::numeric)", "ceil": "ceil($1::numeric)",
    "trim_scale": "trim_scale($1::numeric)", "div_trunc": "div($1::numeric, $2::numeric)",
    "extract_timestamp": "extract($1 from $2::timestamp)", "extract_timestamptz": "extract($1 from $2::timestamptz)",
    "extract_date": "extract($1 from $2::date)", "extract_time": "extract($1 from $2::time)",
    "extract_timetz": "extract($1 from $2::timetz)", "extract_interval": "extract($1 from $2::interval)",
    "trunc_timestamp": "date_trunc($1, $2::timestamp)", "trunc_berlin": "date_trunc($1, $2::timestamptz, 'Europe/Berlin')",
    "trunc_interval": "date_trunc($1, $2::interval)",
    "age": "age($1::timestamp, $2::timestamp)", "plus_interval": "$1::timestamp + $2::interval",
    "difference": "$1::timestamp - $2::timestamp", "to_zone": "$1::timestamptz at time zone $2", "from_zone": "$1::timestamp at time zone $2",
    "interval_mul": "$1::interval * $2::float8", "interval_div": "$1::interval / $2::float8",
    "interval_add": "$1::interval + $2::interval", "interval_sub": "$1::interval - $2::interval",
    "justify_days": "justify_days($1::interval)", "justify_hours": "justify_hours($1::interval)",
}
OPS_SQL = """
create function pg_temp.try_op(sql text, a text, b text) returns text language plpgsql as $$
declare t text; m text; d text; h text; st text;
begin
  execute format('select format(''%%s'', %s)', replace(replace(sql, '$1', quote_literal(a)), '$2', quote_literal(b))) into t;
  return 'ok' || E'\\t' || pg_temp.e(t);
exception when others then
  get stacked diagnostics m = message_text, d = pg_exception_detail, h = pg_exception_hint, st = returned_sqlstate;
  return 'error' || E'\\t' || st || E'\\t' || pg_temp.e(m) || E'\\t' || pg_temp.e(d) || E'\\t' || pg_temp.e(h);
end $$;
create function pg_temp.try_order(ty text, items text) returns text language plpgsql as $$
declare t text;
begin
  execute format('select string_agg(format(''%%s'', v), '' < '' order by v) from (select x::%s as v from string_to_array(%L, ''~'') as s(a), unnest(a) as x) y', ty, items)
    into t;
  return t;
end $$;
"""
UNESCAPE = {"t": "\t", "n": "\n", "\\": "\\"}

def unescape(s):
    out, it = [], iter(s)
    for c in it:
        out.append(UNESCAPE[next(it)] if c == "\\" else c)
    return "".join(out)

def literal(s):
    return "E'" + s.replace("\\", "\\\\").replace("'", "''") + "'"

def record(path, function, fields):
    lines = open(path, encoding="utf-8").read().split("\n")
    questions, sql = {}, [SETUP + OPS_SQL]
    for n, line in enumerate(lines):
        if line and line[0] not in "#!":
            parts = (line.split("\t") + [""] * fields)[:fields]
            questions[n] = parts
            values = [unescape(p) for p in parts]
            if function == "try_op":
                values[0] = OPS[values[0]]
            args = ", ".join(literal(v) for v in values)
            sql.append(f"select pg_temp.{function}({args});")
    run = subprocess.run(["psql", "-XAtq"], input="set standard_conforming_strings=on;" + "\n".join(sql),
                         capture_output=True, text=True)
    answers = run.stdout.split("\n")[:-1]
    if len(answers) != len(questions):
        sys.exit(f"{path}: {len(questions)} questions, {len(answers)} answers\n{run.stderr[:2000]}")
    for (n, parts), answer in zip(questions.items(), answers):
        lines[n] = "\t".join(parts + [answer])
    open(path, "w", encoding="utf-8").write("\n".join(lines))

here = os.path.dirname(os.path.abspath(__file__))
record(os.path.join(here, "input.txt"), "try_input", 2)
record(os.path.join(here, "cast.txt"), "try_cast", 3)
record(os.path.join(here, "json.txt"), "try_json", 2)
record(os.path.join(here, "ops.txt"), "try_op", 3)
record(os.path.join(here, "order.txt"), "try_order", 2)
