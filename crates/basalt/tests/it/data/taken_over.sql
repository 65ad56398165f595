-- A database as a Supabase project has it after some months: made by Supabase's services, not by Basalt, with users who signed up
-- there, row policies, buckets and things of Supabase that Basalt has no use for. Run by a superuser on a server with the roles.

create schema auth authorization supabase_auth_admin;
create schema storage authorization supabase_storage_admin;
create schema realtime authorization supabase_realtime_admin;
create schema extensions;
create schema graphql_public;
create schema vault;
create schema supabase_migrations;
create extension pgcrypto with schema extensions;
grant usage on schema auth, storage, extensions, graphql_public, public to anon, authenticated, service_role, postgres;

set role supabase_auth_admin;
create type auth.aal_level as enum ('aal1', 'aal2', 'aal3');
create type auth.factor_type as enum ('totp', 'webauthn', 'phone');
create table auth.schema_migrations (version varchar(255) primary key);
insert into auth.schema_migrations values ('20171026211738'), ('20240806073726'), ('20251104100000');
-- The order of columns is that of the years they came in.
create table auth.users (
  instance_id uuid, id uuid primary key, aud varchar(255), role varchar(255), email varchar(255), encrypted_password varchar(255),
  confirmation_token varchar(255), confirmation_sent_at timestamptz, recovery_token varchar(255), recovery_sent_at timestamptz,
  email_change_token_new varchar(255), email_change varchar(255), email_change_sent_at timestamptz, last_sign_in_at timestamptz,
  raw_app_meta_data jsonb, raw_user_meta_data jsonb, is_super_admin boolean, created_at timestamptz, updated_at timestamptz,
  invited_at timestamptz, email_confirmed_at timestamptz, phone text default null unique, phone_confirmed_at timestamptz,
  phone_change text default '', phone_change_token varchar(255) default '', phone_change_sent_at timestamptz,
  confirmed_at timestamptz generated always as (least(email_confirmed_at, phone_confirmed_at)) stored,
  email_change_token_current varchar(255) default '', email_change_confirm_status smallint default 0, banned_until timestamptz,
  reauthentication_token varchar(255) default '', reauthentication_sent_at timestamptz, is_sso_user boolean not null default false,
  deleted_at timestamptz, is_anonymous boolean not null default false, a_column_of_tomorrow text default 'unknown to Basalt'
);
create unique index users_email_partial_key on auth.users (email) where is_sso_user = false;
create table auth.identities (
  provider_id text not null, user_id uuid not null references auth.users on delete cascade, identity_data jsonb not null,
  provider text not null, last_sign_in_at timestamptz, created_at timestamptz, updated_at timestamptz,
  email text generated always as (lower(identity_data ->> 'email')) stored, id uuid primary key default gen_random_uuid(),
  unique (provider_id, provider)
);
create table auth.sessions (
  id uuid primary key, user_id uuid not null references auth.users on delete cascade, created_at timestamptz, updated_at timestamptz,
  factor_id uuid, aal auth.aal_level, not_after timestamptz, refreshed_at timestamp, user_agent text, ip inet, tag text,
  oauth_client_id uuid, refresh_token_hmac_key text, refresh_token_counter bigint, scopes text
);
create table auth.refresh_tokens (
  instance_id uuid, id bigserial primary key, token varchar(255) unique, user_id varchar(255), revoked boolean, created_at timestamptz,
  updated_at timestamptz, parent varchar(255), session_id uuid references auth.sessions on delete cascade
);
create table auth.mfa_amr_claims (
  session_id uuid not null references auth.sessions on delete cascade, created_at timestamptz not null, updated_at timestamptz not null,
  authentication_method text not null, id uuid primary key, unique (session_id, authentication_method)
);
create table auth.mfa_factors (
  id uuid primary key, user_id uuid not null references auth.users on delete cascade, friendly_name text,
  factor_type auth.factor_type not null, created_at timestamptz not null, updated_at timestamptz not null, secret text
);
alter table auth.users enable row level security;
alter table auth.identities enable row level security;
alter table auth.sessions enable row level security;
alter table auth.refresh_tokens enable row level security;
alter table auth.mfa_amr_claims enable row level security;
-- Each claim had a setting of its own once; the functions still look there first.
create function auth.uid() returns uuid language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
       (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
create function auth.role() returns text language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
       (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'))::text $$;
create function auth.jwt() returns jsonb language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
grant all on all tables in schema auth to postgres;
reset role;

set role supabase_storage_admin;
create table storage.migrations (id int primary key, name varchar(100) unique not null, hash varchar(40) not null, executed_at timestamp);
create table storage.buckets (
  id text primary key, name text not null unique, owner uuid, created_at timestamptz default now(), updated_at timestamptz default now(),
  public boolean default false, avif_autodetection boolean default false, file_size_limit bigint, allowed_mime_types text[], owner_id text
);
create table storage.objects (
  id uuid primary key default gen_random_uuid(), bucket_id text references storage.buckets, name text, owner uuid,
  created_at timestamptz default now(), updated_at timestamptz default now(), last_accessed_at timestamptz default now(), metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored, version text, owner_id text, user_metadata jsonb,
  unique (bucket_id, name)
);
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
create policy "avatars are public" on storage.objects for select using (bucket_id = 'avatars');
insert into storage.buckets (id, name, public) values ('avatars', 'avatars', true), ('receipts', 'receipts', false);
insert into storage.objects (bucket_id, name) values ('avatars', 'grace/face.png');
grant all on storage.buckets, storage.objects to anon, authenticated, service_role;
reset role;

-- The project's own.
create table public.profiles (id uuid primary key references auth.users on delete cascade, handle text unique not null);
create table public.notes (
  id bigint generated always as identity primary key, owner uuid not null default auth.uid() references public.profiles,
  body text not null, is_public boolean not null default false
);
alter table public.profiles enable row level security;
alter table public.notes enable row level security;
create policy "everybody sees handles" on public.profiles for select using (true);
create policy "own notes" on public.notes for all to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create policy "public notes" on public.notes for select using (is_public);
grant all on public.profiles, public.notes to anon, authenticated, service_role;
create function public.welcome() returns trigger language plpgsql security definer set search_path = '' as
  $$ begin insert into public.profiles values (new.id, coalesce(new.raw_user_meta_data ->> 'handle', new.id::text)); return new; end $$;
create trigger on_sign_up after insert on auth.users for each row execute function public.welcome();
create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
insert into supabase_migrations.schema_migrations values ('20240101000000', array['create table …'], 'first');

-- Who signed up there. Passwords are hashed as the original hashes them.
insert into auth.users (instance_id, id, aud, role, email, encrypted_password, confirmation_token, recovery_token, email_change_token_new,
    email_change, raw_app_meta_data, raw_user_meta_data, created_at, updated_at, email_confirmed_at)
  select '00000000-0000-0000-0000-000000000000', u.id::uuid, 'authenticated', 'authenticated', u.email,
    extensions.crypt(u.password, extensions.gen_salt('bf', 6)), '', '', '', '',
    '{"provider": "email", "providers": ["email"]}', jsonb_build_object('handle', u.handle), now(), now(), now()
  from (values ('11111111-1111-4111-8111-111111111111', 'grace@example.com', 'correct horse', 'grace'),
               ('22222222-2222-4222-8222-222222222222', 'linus@example.com', 'battery staple', 'linus')) as u (id, email, password, handle);
insert into auth.identities (provider_id, user_id, identity_data, provider, created_at, updated_at)
  select id, id, jsonb_build_object('sub', id, 'email', email), 'email', now(), now() from auth.users;
insert into public.notes (owner, body, is_public) values
  ('11111111-1111-4111-8111-111111111111', 'a secret of grace', false), ('11111111-1111-4111-8111-111111111111', 'for everybody', true),
  ('22222222-2222-4222-8222-222222222222', 'a secret of linus', false);
-- Grace is signed in there.
insert into auth.sessions (id, user_id, created_at, updated_at, aal) values
  ('33333333-3333-4333-8333-333333333333', '11111111-1111-4111-8111-111111111111', now(), now(), 'aal1');
insert into auth.mfa_amr_claims values ('33333333-3333-4333-8333-333333333333', now(), now(), 'password', gen_random_uuid());
insert into auth.refresh_tokens (token, user_id, revoked, created_at, updated_at, session_id)
  values ('signedin0000', '11111111-1111-4111-8111-111111111111', false, now(), now(), '33333333-3333-4333-8333-333333333333');
