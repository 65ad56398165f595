-- What is still to be done before the tables can be made: one statement a row. Stage 1 is about roles and may need an administrator;
-- stage 2 is what the owner of a database may do, and is asked for again when the roles are there. What is there is left as it is.
-- Roles belong to the whole server: another project on it may have made them. $1: the kind of membership that SET ROLE needs.

with wanted (name, attributes, timeout) as (values
  ('postgres', 'LOGIN CREATEDB CREATEROLE BYPASSRLS', null),
  ('anon', 'NOLOGIN NOINHERIT', '3s'),
  ('authenticated', 'NOLOGIN NOINHERIT', '8s'),
  ('service_role', 'NOLOGIN NOINHERIT BYPASSRLS', null),
  ('authenticator', 'LOGIN NOINHERIT', '8s'),
  ('supabase_auth_admin', 'NOLOGIN NOINHERIT', null),
  ('supabase_storage_admin', 'NOLOGIN NOINHERIT', null),
  ('supabase_realtime_admin', 'NOLOGIN NOINHERIT', null),
  ('dashboard_user', 'NOLOGIN', null)
), members (role, member) as (values
  ('anon', 'authenticator'), ('authenticated', 'authenticator'), ('service_role', 'authenticator'),
  ('anon', 'postgres'), ('authenticated', 'postgres'), ('service_role', 'postgres'),
  ('supabase_auth_admin', 'postgres'), ('supabase_storage_admin', 'postgres'), ('supabase_realtime_admin', 'postgres'),
  ('supabase_auth_admin', current_user), ('supabase_storage_admin', current_user), ('supabase_realtime_admin', current_user)
), owner (name) as (
  -- Where the role postgres is somebody else's, the login itself owns what it would.
  select case when to_regrole('postgres') is not null and pg_has_role(current_user, to_regrole('postgres')::oid, $1)
              then 'postgres' else current_user::text end
), namespaces (name, owner) as (
  select * from (values ('auth', 'supabase_auth_admin'), ('storage', 'supabase_storage_admin'), ('realtime', 'supabase_realtime_admin')) as s
  union all select s.name, o.name from (values ('extensions'), ('graphql_public'), ('supabase_migrations')) as s (name), owner as o
), uses (schema, role) as (
  select s.name, r.name from (values ('public'), ('auth'), ('storage'), ('realtime'), ('extensions'), ('graphql_public')) as s (name),
    (values ('postgres'), ('anon'), ('authenticated'), ('service_role')) as r (name)
), steps (stage, place, statement) as (
  select 1, 1, format('CREATE ROLE %I %s', name, attributes) from wanted where to_regrole(quote_ident(name)) is null
  union all
  select 1, 2, format('ALTER ROLE %I SET statement_timeout = %L', name, timeout) from wanted
    where timeout is not null and to_regrole(quote_ident(name)) is null
  union all
  select 1, 3, format('GRANT %I TO %I', role, member) from members
    where case when to_regrole(quote_ident(role)) is null or to_regrole(quote_ident(member)) is null then true
               else not pg_has_role(to_regrole(quote_ident(member))::oid, to_regrole(quote_ident(role))::oid, $1) end
  union all
  select 1, 4, format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)
    where not has_database_privilege(current_database(), 'CREATE')
  union all
  select 2, 1, format('CREATE SCHEMA %I AUTHORIZATION %I', name, owner) from namespaces where to_regnamespace(quote_ident(name)) is null
  union all
  select 2, 2, format('ALTER DATABASE %I SET search_path = "$user", public, extensions', d.datname) from pg_catalog.pg_database as d
    where d.datname = current_database() and pg_has_role(d.datdba, 'USAGE') and not exists (
      select from pg_catalog.pg_db_role_setting as s
      where s.setdatabase = d.oid and s.setrole = 0 and array_to_string(s.setconfig, ' ') like '%search_path=%')
  union all
  select 2, 3, 'GRANT ALL ON SCHEMA public TO postgres'
    where case when to_regrole('postgres') is null or to_regnamespace('public') is null then false
               else not has_schema_privilege(to_regrole('postgres')::oid, to_regnamespace('public')::oid, 'CREATE') end
  union all
  select 2, 4, format('GRANT USAGE ON SCHEMA %I TO %I', schema, role) from uses
    where case when to_regrole(role) is null then false when to_regnamespace(schema) is null then schema <> 'public'
               else not has_schema_privilege(to_regrole(role)::oid, to_regnamespace(schema)::oid, 'USAGE') end
  union all
  select 2, 5, format('GRANT ALL ON SCHEMA %I TO postgres, dashboard_user', s.name)
    from (values ('auth'), ('storage'), ('realtime'), ('extensions')) as s (name) where to_regnamespace(s.name) is null
  union all
  select 2, 6, format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA extensions', x.name)
    from (values ('pgcrypto'), ('uuid-ossp')) as x (name)
    where not exists (select from pg_catalog.pg_extension as e where e.extname = x.name)
  union all
  select 2, 7, 'CREATE PUBLICATION supabase_realtime'
    where not exists (select from pg_catalog.pg_publication as p where p.pubname = 'supabase_realtime')
  union all
  select 2, 8, format('ALTER PUBLICATION supabase_realtime OWNER TO %I', o.name) from owner as o
    where not exists (select from pg_catalog.pg_publication as p where p.pubname = 'supabase_realtime') and o.name <> current_user
      and ((select rolsuper from pg_catalog.pg_roles where rolname = current_user)
           or has_database_privilege(o.name, current_database(), 'CREATE'))
)
select stage, statement from steps order by stage, place
