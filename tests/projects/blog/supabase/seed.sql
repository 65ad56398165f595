-- Two users of old, with bcrypt passwords: `correct horse` and `battery staple`.
insert into auth.users
  (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
   confirmation_token, recovery_token, email_change, email_change_token_new)
values
  ('00000000-0000-0000-0000-000000000000', '00000000-0000-4000-8000-00000000000a', 'authenticated', 'authenticated', 'ada@example.com',
   '$2a$10$LVbrEEaRmSIUHQbcPTPSluuMwF41MAh7/uz/p6/x6J.rQkmQbFpU6', '2026-01-01T00:00:00Z', '{"provider":"email","providers":["email"]}', '{"username":"ada","full_name":"Ada Lovelace"}',
   '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '', '', '', ''),
  ('00000000-0000-0000-0000-000000000000', '00000000-0000-4000-8000-00000000000b', 'authenticated', 'authenticated', 'bob@example.com',
   '$2a$10$7B8/zAh0wFTG2IWXfwayvOGLL5mYlkmerze0rZLZyeDB9zEmUdP/C', '2026-01-02T00:00:00Z', '{"provider":"email","providers":["email"]}', '{"username":"bob"}',
   '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', '', '', '', '');
insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
values
  ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000a',
   '{"sub":"00000000-0000-4000-8000-00000000000a","email":"ada@example.com"}', 'email', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'),
  ('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-00000000000b',
   '{"sub":"00000000-0000-4000-8000-00000000000b","email":"bob@example.com"}', 'email', '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z');
update public.profiles set joined_at = '2026-01-01T00:00:00Z';

-- Identifiers count from 1 in this order.
insert into public.posts (author_id, reviewer_id, title, body, status, views, rating, labels, meta, published_on) values
  ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b', 'First light', 'Hello, world', 'published', 10, 4.50,
   '{intro,news}', '{"lang": "en", "words": 2, "seo": {"title": "Hello"}}', '2026-01-10'),
  ('00000000-0000-4000-8000-00000000000a', null, 'Second thoughts', 'On reflection', 'published', 25, 3.75,
   '{essay}', '{"lang": "en", "words": 2}', '2026-01-20'),
  ('00000000-0000-4000-8000-00000000000b', '00000000-0000-4000-8000-00000000000a', 'Über alles, was "bleibt"', '100% (fast)', 'published', 5, null,
   '{essay,news}', '{"lang": "de"}', '2026-02-01'),
  ('00000000-0000-4000-8000-00000000000b', null, 'Not yet', 'a draft', 'draft', 0, null, '{}', '{}', null),
  ('00000000-0000-4000-8000-00000000000a', null, 'Old news', 'done', 'archived', 99, 1.00, '{news}', '{"lang": "en"}', '2025-01-01');

insert into public.comments (post_id, author_id, reply_to, body) values
  (1, '00000000-0000-4000-8000-00000000000b', null, 'Welcome!'),
  (1, '00000000-0000-4000-8000-00000000000a', 1, 'Thanks'),
  (2, '00000000-0000-4000-8000-00000000000b', null, 'Hm'),
  (4, '00000000-0000-4000-8000-00000000000b', null, 'to self');

insert into public.tags (id, name) values (1, 'rust'), (2, 'sql'), (3, 'unused');
insert into public.post_tags (post_id, tag_id) values (1, 1), (1, 2), (2, 2), (4, 1);
insert into public.items (id, name, qty, note) values (1, 'bolt', 10, null), (2, 'nut', 20, 'M4'), (3, 'washer', 0, null);
insert into public.audit (id, entry) values (1, 'created');
insert into public.vault (id, secret) values (1, 'gold');
