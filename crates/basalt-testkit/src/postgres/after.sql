-- What a Supabase project's database has besides the tables and functions that Basalt makes itself: for tests of users' SQL
-- that names it. Run last, as supabase_admin.

set search_path = public;
-- storage -------------------------------------------------------------------------------------------------------------------
-- Projects write policies on these tables from their own migrations.
grant supabase_storage_admin to postgres;

-- realtime: the publication ----------------------------------------------------------------------------
create publication supabase_realtime;
alter publication supabase_realtime owner to postgres;

-- The privileges of what exists already -------------------------------------------------------------------------------------
grant all on all tables in schema auth to postgres, dashboard_user;
grant all on all sequences in schema auth to postgres, dashboard_user;
grant all on all functions in schema auth to postgres, dashboard_user;
grant execute on all functions in schema extensions to postgres, anon, authenticated, service_role;
reset search_path;
