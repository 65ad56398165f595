-- The roles and schemas that every project has, made where they are missing and left as they are where they are not.
-- Roles belong to the whole server: another project on it may have made them.

do $$
declare
  wanted text[];
begin
  foreach wanted slice 1 in array array[
    ['postgres', 'login createdb createrole bypassrls'],
    ['anon', 'nologin noinherit'],
    ['authenticated', 'nologin noinherit'],
    ['service_role', 'nologin noinherit bypassrls'],
    ['authenticator', 'login noinherit'],
    ['supabase_auth_admin', 'nologin noinherit'],
    ['supabase_storage_admin', 'nologin noinherit'],
    ['supabase_realtime_admin', 'nologin noinherit'],
    ['dashboard_user', 'nologin']
  ] loop
    if not exists (select from pg_catalog.pg_roles where rolname = wanted[1]) then
      execute format('create role %I %s', wanted[1], wanted[2]);
      -- Whoever makes a role without being a superuser is not yet a member of it.
      if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        execute format('grant %I to current_user', wanted[1]);
      end if;
      if wanted[1] = 'anon' then
        alter role anon set statement_timeout = '3s';
      elsif wanted[1] in ('authenticated', 'authenticator') then
        execute format('alter role %I set statement_timeout = %L', wanted[1], '8s');
      end if;
    end if;
  end loop;
end $$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, supabase_auth_admin, supabase_storage_admin, supabase_realtime_admin to postgres;

create schema if not exists auth authorization supabase_auth_admin;
create schema if not exists storage authorization supabase_storage_admin;
create schema if not exists realtime authorization supabase_realtime_admin;
create schema if not exists extensions authorization postgres;
create schema if not exists graphql_public authorization postgres;
create schema if not exists supabase_migrations authorization postgres;

do $$ begin
  execute format('alter database %I set search_path = "$user", public, extensions', current_database());
end $$;
grant all on schema public to postgres;
grant usage on schema public, auth, storage, realtime, extensions, graphql_public to postgres, anon, authenticated, service_role;
grant all on schema auth, storage, realtime, extensions to postgres, dashboard_user;
grant create on schema storage, realtime to supabase_storage_admin, supabase_realtime_admin;

create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;

do $$ begin
  if not exists (select from pg_catalog.pg_publication where pubname = 'supabase_realtime') then
    create publication supabase_realtime;
    alter publication supabase_realtime owner to postgres;
  end if;
end $$;
