-- What every database holds before its first migration: roles, schemas, and the tables of the services.
-- Run as supabase_admin. The names, columns and types are those that projects, clients and tools of Supabase rely on.

create role postgres superuser login;
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit in role anon, authenticated, service_role;
create role supabase_auth_admin login noinherit;
create role supabase_storage_admin login noinherit;
create role supabase_realtime_admin nologin noinherit;
create role dashboard_user nologin;

-- Longest running time of one statement.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';

alter schema public owner to postgres;
create schema auth authorization supabase_auth_admin;
create schema storage authorization supabase_storage_admin;
create schema realtime authorization supabase_realtime_admin;
create schema extensions authorization postgres;
create schema graphql_public authorization postgres;
create schema supabase_migrations authorization postgres;

grant usage on schema public to public, anon, authenticated, service_role;
grant usage on schema auth, storage, realtime, extensions, graphql_public to anon, authenticated, service_role;
grant all on schema auth, storage, realtime, extensions to dashboard_user;

create extension pgcrypto with schema extensions;
create extension "uuid-ossp" with schema extensions;

create publication supabase_realtime;

-- The history of migrations, as the Supabase CLI keeps it.
set role postgres;
create table supabase_migrations.schema_migrations (
  version text primary key,
  statements text[],
  name text
);
reset role;
