-- What src/analyze/tests/fixture.rs builds, for PostgreSQL 17: run this in an empty database, then the cases with \gdesc.
create schema auth;
create schema extensions;
create type mood as enum ('sad', 'ok', 'happy');
create domain email as text check (value ~ '@');
create type pair as (x int, y float8);
create table auth.users (id uuid primary key, email varchar(255), raw_user_meta_data jsonb, created_at timestamptz);
create table profiles (id uuid primary key, name text, mood mood, mail email, age int2);
create table posts (
    id bigint generated always as identity primary key, title text, author uuid, tags text[], meta jsonb, created_at timestamptz,
    score numeric(10, 2), n int unique deferrable, slug varchar(20), published bool, day date, ratio float8, raw json, place pair, code char(3),
    unique (author, title)
);
create unique index posts_lower_idx on posts (lower(title));
create unique index posts_slug_idx on posts (slug) where published;
create table comments (id bigint primary key, post_id bigint, author uuid, body text, size int generated always as (length(body)) stored);
create view post_counts(id, title, comments) as
    select p.id, p.title, count(c.id) from posts p left join comments c on c.post_id = p.id group by p.id;
create function is_owner(post bigint, strict bool default true) returns bool language sql stable as 'select true';
create function recent(since date) returns table (id bigint, title text) language sql stable as 'select 1::bigint, ''x''';
create function auth.uid() returns uuid language sql stable as 'select null::uuid';
create function auth.role() returns text language sql stable as 'select null::text';
create function auth.email() returns text language sql stable as 'select null::text';
create function auth.jwt() returns jsonb language sql stable as 'select null::jsonb';
