-- Alice and Bob, for trying things out. Passwords: alice-demo-1 and bob-demo-1 (bcrypt, rehashed at their first sign-in).
insert into auth.users (id, instance_id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at)
values
  ('a11ce000-0000-4000-8000-000000000001', '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', 'alice@example.com',
   '$2a$10$NjASMB3ksGPYQIoihxYgu.vjNzjLA7Bi0swAayVVS5MA./vrQ8XaK', now(), '{"provider": "email", "providers": ["email"]}', '{"display_name": "Alice"}', now(), now()),
  ('b0b00000-0000-4000-8000-000000000002', '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', 'bob@example.com',
   '$2a$10$f3GrVS.M36JaPyw3glJhVeU9abbxNmXOetqrePn5Psjv3DH8VRsbi', now(), '{"provider": "email", "providers": ["email"]}', '{"display_name": "Bob"}', now(), now());

insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
values
  ('a11ce000-0000-4000-8000-000000000001', 'a11ce000-0000-4000-8000-000000000001',
   '{"sub": "a11ce000-0000-4000-8000-000000000001", "email": "alice@example.com", "email_verified": true}', 'email', now(), now(), now()),
  ('b0b00000-0000-4000-8000-000000000002', 'b0b00000-0000-4000-8000-000000000002',
   '{"sub": "b0b00000-0000-4000-8000-000000000002", "email": "bob@example.com", "email_verified": true}', 'email', now(), now(), now());

insert into public.todos (user_id, title, done) values
  ('a11ce000-0000-4000-8000-000000000001', 'Read the migration in supabase/migrations', false),
  ('a11ce000-0000-4000-8000-000000000001', 'Start Basalt', true),
  ('b0b00000-0000-4000-8000-000000000002', 'Look whether Alice''s todos show up here', false);
