insert into public.every_type (id) values (0);
insert into public.every_type values
  (1, true, -32768, 2147483647, -9223372036854775808, 'NaN', 'Infinity', 'NaN', 123456789.125, E'tab\there\nline \\ back\r\u00fc\u20ac', 'vär', 'ab', 'MiXeD',
   'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\x00ff0a5c', '2024-02-29', '23:59:59.999999', '10:00:00+05:30', '2024-01-01 00:00:00.123456', '2024-01-01 00:00:00.1239',
   '2024-06-30 12:00:00.5+02', '1 year 2 mons -3 days 04:05:06.789', '{"b" : 1,  "a":[1, 2.50],"b":2}', '{"b": 1, "a": [1, 2.50, null], "ü": "\u0001"}',
   '10.1.2.3/8', '10.1.0.0/16', '08:00:2b:01:02:03', 'happy', 100,
   '{1,NULL,-3}', E'{"a b","","NULL",NULL,"q\\"x","back\\\\slash","c,d","tab\there"}', '{1.10,NaN,0.000}', '{"2024-01-01 00:00:00+00",NULL}', '{t,f,NULL}', '{sad,NULL,happy}',
   '{"{\"a\": 1}","null"}', '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{1.5,-Infinity,NaN,1e300}', '{{1,2},{3,4}}'),
  (2, false, 32767, -2147483648, 9223372036854775807, '-Infinity', 1e-310, 123456789012345678901234567890.000100, -0.001, '', '', '', '',
   '00000000-0000-0000-0000-000000000000', '', '0001-01-01', '00:00:00', '00:00:00-12', '0001-01-01 00:00:00', '9999-12-31 23:59:59.999',
   '0001-01-01 00:00:00+00', '-00:00:00.000001', 'null', '[]', '::1', '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', 'sad', 0,
   '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
  (3, null, 0, 0, 0, -0.0, 0.1, 0, 0, '\N', '\.', 'x', 'ß',
   'ffffffff-ffff-ffff-ffff-ffffffffffff', '\x5c4e', '9999-12-31', '24:00:00', '23:59:59.5+00', '1970-01-01', '1969-12-31 23:59:59.999', '9999-12-31 23:59:59.999999+00',
   '00:00:00', '"text"', '"text"', 'fe80::1/64', '0.0.0.0/0', '00:00:00:00:00:00', 'ok', 50,
   '{{1},{2}}', '{x}', '{-5}', '{"9999-12-31 23:59:59+00"}', '{f}', '{ok}', '{"[1, 2]"}', '{}', '{0}', '{}'),
  (4, true, 1, 1, 1, 16777217, 9007199254740993, 1e20, 1, '😀 and ｗｉｄｅ', 'x', 'y', 'I', null, null, null, null, null, null, null, null, '100 years', null, '{"k": 1e3, "big": 12345678901234567890.10}', null, null, null, null, null,
   null, null, null, null, null, null, null, null, null, null);

insert into public.teams (name) values ('red'), ('blue');
insert into public.players (team, mentor, name) values (1, null, 'Ann'), (1, 100, 'Ben'), (2, 110, 'Cy');
update public.players set mentor = 120 where id = 100;
update public.teams set captain = 110 where id = 1;
update public.teams set captain = 120 where id = 2;

insert into auth.users
  (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at,
   confirmation_token, recovery_token, email_change, email_change_token_new)
values
  ('00000000-0000-0000-0000-000000000000', '00000000-0000-4000-8000-00000000000a', 'authenticated', 'authenticated', 'ada@example.com',
   '$2a$10$LVbrEEaRmSIUHQbcPTPSluuMwF41MAh7/uz/p6/x6J.rQkmQbFpU6', '2026-01-01T00:00:00Z', '{"provider":"email","providers":["email"]}', '{}',
   '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '', '', '', '');
insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
values
  ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000a',
   '{"sub":"00000000-0000-4000-8000-00000000000a","email":"Ada@Example.com"}', 'email', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');

insert into shop.orders (owner, label, net, vat) values
  ('00000000-0000-4000-8000-00000000000a', 'apples', 10.00, 0.07),
  ('00000000-0000-4000-8000-00000000000a', 'pears', 3.33, 0.19),
  ('00000000-0000-4000-8000-00000000000a', 'Élan', 0, 0);
update public.journal set at = '2026-01-01T00:00:00Z';

insert into public.loose values (1, 'x'), (1, 'x'), (null, null), (2, 'y');
update public.pairs set note = 'changed since' where b = 1;
delete from public.pairs where b = 2;
insert into public.pairs values ('second', -1, 'b'), ('third', 1, 'y');
insert into public.named values ('one', 7, 's', 1), ('two', null, null, null);
insert into public."Odd ""Table""" values ('11111111-1111-4111-8111-111111111111', 'dotted'), ('22222222-2222-4222-8222-222222222222', null);
insert into public.numbered default values;
insert into public.numbered default values;
insert into public.unique_nulls values (1, null), (2, 5);
insert into public.diary values (1, '00000000-0000-4000-8000-00000000000a', 'secret'), (2, null, 'nobody''s');
insert into storage.buckets (id, name, public, allowed_mime_types, created_at, updated_at) values ('pics', 'pics', true, '{image/png,"image/*"}', '2026-01-01', '2026-01-01');
insert into storage.objects (id, bucket_id, name, metadata, created_at, updated_at, last_accessed_at) values
  ('33333333-3333-4333-8333-333333333333', 'pics', 'a/b.png', '{"size": 12}', '2026-01-01', '2026-01-01', '2026-01-01');
insert into public.every_type (id, a_date, a_stamp, a_moment, moments) values
  (5, 'infinity', '-infinity', 'infinity', '{infinity,-infinity}');
