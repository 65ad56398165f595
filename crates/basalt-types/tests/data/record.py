#!/usr/bin/env python3
"""Rewrites the answers in input.txt and cast.txt with those of a PostgreSQL server (17, TimeZone UTC, C collation).

Usage: PGHOST=/path/to/socket PGUSER=postgres ./record.py
A line is fields separated by tabs, with \\t, \\n and \\\\ escaped. Only the question's fields are read: type and text in input.txt;
value type, text and target type in cast.txt. Lines that begin with "!" record an answer of our own and are kept as they are.
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
    questions, sql = {}, [SETUP]
    for n, line in enumerate(lines):
        if line and line[0] not in "#!":
            parts = (line.split("\t") + [""] * fields)[:fields]
            questions[n] = parts
            args = ", ".join(literal(unescape(p)) for p in parts)
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
