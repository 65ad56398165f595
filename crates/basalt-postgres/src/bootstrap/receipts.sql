-- What the login of requests may do with receipts: look one up by its name, and write one. It sees no others, and changes none that count.
-- They are called before a request takes its role and after it gave it back.

create or replace function basalt.find_receipt(receipt bytea)
returns table (request bytea, status integer, headers text, body bytea)
language sql volatile security definer set search_path = '' as $$
  select r.request, r.status, r.headers, r.body from basalt.receipts as r where r.id = receipt and r.expires_at > pg_catalog.now()
$$;
create or replace function basalt.count_receipts(caller bytea, most bigint) returns bigint
language sql volatile security definer set search_path = '' as $$
  select pg_catalog.count(*) from (
    select from basalt.receipts as r where r.subject = caller and r.expires_at > pg_catalog.now() limit most) as few
$$;
create or replace function basalt.keep_receipt(
  receipt bytea, caller bytea, asked bytea, code integer, names text, content bytea, seconds bigint) returns boolean
language sql volatile security definer set search_path = '' as $$
  insert into basalt.receipts as r (id, subject, request, status, headers, body, expires_at)
  values (receipt, caller, asked, code, names, content, pg_catalog.now() + seconds * interval '1 second')
  on conflict (id) do update set subject = excluded.subject, request = excluded.request, status = excluded.status,
    headers = excluded.headers, body = excluded.body, expires_at = excluded.expires_at
  where r.expires_at <= pg_catalog.now()
  returning true
$$;
revoke all on schema basalt from public, anon, authenticated, service_role;
revoke all on basalt.receipts from public, anon, authenticated, service_role;
revoke all on function basalt.find_receipt(bytea), basalt.count_receipts(bytea, bigint),
  basalt.keep_receipt(bytea, bytea, bytea, integer, text, bytea, bigint) from public, anon, authenticated, service_role;
grant usage on schema basalt to authenticator;
grant execute on function basalt.find_receipt(bytea), basalt.count_receipts(bytea, bigint),
  basalt.keep_receipt(bytea, bytea, bytea, integer, text, bytea, bigint) to authenticator;
