alter table public.profiles enable row level security;
alter table public.posts enable row level security;
alter table public.comments enable row level security;
alter table public.tags enable row level security;
alter table public.post_tags enable row level security;
alter table public.notes enable row level security;
alter table public.items enable row level security;
alter table public.audit enable row level security;
alter table public.vault enable row level security;

-- The same grants whether new tables are exposed by default or not.
revoke all on all tables in schema public from anon, authenticated, service_role;
grant select on public.profiles, public.posts, public.comments, public.tags, public.post_tags to anon;
grant select, insert, update, delete
  on public.profiles, public.posts, public.comments, public.tags, public.post_tags, public.notes, public.items, public.audit
  to authenticated;
grant select on public.notes, public.items, public.audit to anon;
grant all
  on public.profiles, public.posts, public.comments, public.tags, public.post_tags, public.notes, public.items, public.audit, public.vault
  to service_role;
grant usage, select on all sequences in schema public to authenticated, service_role;

create policy "Profiles are visible to all" on public.profiles for select using (true);
create policy "Own profile" on public.profiles for update to authenticated
  using ((select auth.uid()) = id) with check ((select auth.uid()) = id);

create policy "Published posts are visible to all" on public.posts for select to anon, authenticated using (status = 'published');
create policy "Own posts are visible" on public.posts for select to authenticated using ((select auth.uid()) = author_id);
create policy "Write own posts" on public.posts for insert to authenticated with check ((select auth.uid()) = author_id);
create policy "Change own posts" on public.posts for update to authenticated
  using ((select auth.uid()) = author_id) with check ((select auth.uid()) = author_id);
create policy "Remove own posts" on public.posts for delete to authenticated using ((select auth.uid()) = author_id);
-- Restrictive: archived posts stay as they are, whoever wrote them.
create policy "Archived posts are final" on public.posts as restrictive for update to authenticated using (status <> 'archived');

create policy "Comments of visible posts" on public.comments for select
  using (exists (select 1 from public.posts p where p.id = comments.post_id));
create policy "Comment as oneself on visible posts" on public.comments for insert to authenticated
  with check (author_id = (select auth.uid()) and exists (select 1 from public.posts p where p.id = post_id));
create policy "Remove own comments" on public.comments for delete to authenticated using (author_id = (select auth.uid()));

create policy "Tags are visible to all" on public.tags for select using (true);
create policy "Tags of visible posts" on public.post_tags for select
  using (post_id in (select id from public.posts));
create policy "Tag own posts" on public.post_tags for all to authenticated
  using (exists (select 1 from public.posts p where p.id = post_id and p.author_id = (select auth.uid())))
  with check (exists (select 1 from public.posts p where p.id = post_id and p.author_id = (select auth.uid())));

create policy "Own notes" on public.notes for all to authenticated
  using ((select auth.uid()) = owner) with check ((select auth.uid()) = owner);
create policy "Locked notes stay" on public.notes as restrictive for delete to authenticated using (not locked);
