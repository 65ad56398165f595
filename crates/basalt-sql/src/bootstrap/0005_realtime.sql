-- What projects write policies for when they let users into private channels, and the parts of an object's path.

set role supabase_realtime_admin;
create table realtime.messages (
  topic text not null,
  extension text not null,
  payload jsonb,
  event text,
  private boolean default false,
  updated_at timestamp not null default now(),
  inserted_at timestamp not null default now(),
  id uuid not null default gen_random_uuid(),
  primary key (id, inserted_at)
);
alter table realtime.messages enable row level security;
grant select, insert, update on realtime.messages to postgres, anon, authenticated, service_role;
grant all on realtime.messages to dashboard_user;
reset role;

set role supabase_storage_admin;
alter table storage.objects add column path_tokens text[] generated always as (string_to_array(name, '/')) stored;
reset role;
