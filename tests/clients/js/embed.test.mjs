// Embedded relations, as anon.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ok, refused } from './basalt.mjs'

let basalt, anon, posts
before(async () => {
  basalt = await Basalt.start()
  anon = basalt.anon()
  posts = (columns) => anon.from('posts').select(columns).order('id')
})
after(() => basalt?.stop())

describe('to one', () => {
  const authors = [{ id: 1, author: { username: 'ada' } }, { id: 2, author: { username: 'ada' } }, { id: 3, author: { username: 'bob' } }]
  it('by a column as the hint', async () => assert.deepEqual(await posts('id, author:profiles!author_id(username)'), ok(authors)))
  it('by a constraint as the hint', async () => {
    assert.deepEqual(await posts('id, author:profiles!posts_author_id_fkey(username)'), ok(authors))
  })
  it('by the column as the target', async () => assert.deepEqual(await posts('id, author:author_id(username)'), ok(authors)))
  it('is null where there is none', async () => {
    assert.deepEqual(
      await posts('id, reviewer:profiles!reviewer_id(username)'),
      ok([{ id: 1, reviewer: { username: 'bob' } }, { id: 2, reviewer: null }, { id: 3, reviewer: { username: 'ada' } }]))
  })
  it('inner with a filter narrows the parents', async () => {
    assert.deepEqual(
      await posts('id, author:profiles!author_id!inner(username)').eq('author.username', 'bob'),
      ok([{ id: 3, author: { username: 'bob' } }]))
  })
  it('orders the parents', async () => {
    const ordered = anon.from('posts').select('id, author:profiles!author_id(username)').order('author(username)', { ascending: false }).order('id')
    assert.deepEqual(await ordered, ok([authors[2], authors[0], authors[1]]))
  })
  it('spreads', async () => {
    assert.deepEqual(
      await posts('id, ...profiles!author_id(author_name:username)'),
      ok([{ id: 1, author_name: 'ada' }, { id: 2, author_name: 'ada' }, { id: 3, author_name: 'bob' }]))
  })
  it('a row of the same table', async () => {
    assert.deepEqual(
      await anon.from('comments').select('id, parent:reply_to(id, body)').order('id').limit(2),
      ok([{ id: 1, parent: null }, { id: 2, parent: { id: 1, body: 'Welcome!' } }]))
  })
})

describe('to many', () => {
  it('gives a list, empty where there are none', async () => {
    assert.deepEqual(
      await posts('id, comments(id, body)').order('id', { referencedTable: 'comments' }),
      ok([
        { id: 1, comments: [{ id: 1, body: 'Welcome!' }, { id: 2, body: 'Thanks' }] },
        { id: 2, comments: [{ id: 3, body: 'Hm' }] },
        { id: 3, comments: [] },
      ]))
  })
  it('nests', async () => {
    assert.deepEqual(
      await posts('id, comments(body, author:profiles(username))').eq('id', 1).order('id', { referencedTable: 'comments' }),
      ok([{ id: 1, comments: [{ body: 'Welcome!', author: { username: 'bob' } }, { body: 'Thanks', author: { username: 'ada' } }] }]))
  })
  it('orders and limits within', async () => {
    assert.deepEqual(
      await posts('id, comments(id)').order('id', { referencedTable: 'comments', ascending: false }).limit(1, { referencedTable: 'comments' }),
      ok([{ id: 1, comments: [{ id: 2 }] }, { id: 2, comments: [{ id: 3 }] }, { id: 3, comments: [] }]))
  })
  it('filters within', async () => {
    assert.deepEqual(
      await posts('id, comments(id)').eq('comments.body', 'Hm'),
      ok([{ id: 1, comments: [] }, { id: 2, comments: [{ id: 3 }] }, { id: 3, comments: [] }]))
  })
  it('or within', async () => {
    assert.deepEqual(
      await posts('id, comments(id)').or('body.eq.Hm,id.eq.1', { referencedTable: 'comments' }),
      ok([{ id: 1, comments: [{ id: 1 }] }, { id: 2, comments: [{ id: 3 }] }, { id: 3, comments: [] }]))
  })
  it('inner keeps parents that have some', async () => {
    assert.deepEqual(await posts('id, comments!inner(id)').eq('comments.id', 3), ok([{ id: 2, comments: [{ id: 3 }] }]))
  })
  it('null finds parents without any', async () => {
    assert.deepEqual(await posts('id, comments()').is('comments', null), ok([{ id: 3 }]))
  })
  it('not null finds parents with some', async () => {
    assert.deepEqual(await posts('id, comments()').not('comments', 'is', null), ok([{ id: 1 }, { id: 2 }]))
  })
})

describe('many to many', () => {
  it('goes through the join table', async () => {
    assert.deepEqual(
      await posts('id, tags(name)').order('name', { referencedTable: 'tags' }),
      ok([{ id: 1, tags: [{ name: 'rust' }, { name: 'sql' }] }, { id: 2, tags: [{ name: 'sql' }] }, { id: 3, tags: [] }]))
  })
  it('inner with a filter', async () => {
    assert.deepEqual(
      await posts('id, tags!inner(name)').eq('tags.name', 'sql'),
      ok([{ id: 1, tags: [{ name: 'sql' }] }, { id: 2, tags: [{ name: 'sql' }] }]))
  })
  it('hides rows that the policies of any table on the way hide', async () => {
    assert.deepEqual(
      await anon.from('tags').select('name, posts(id)').order('id').order('id', { referencedTable: 'posts' }),
      ok([{ name: 'rust', posts: [{ id: 1 }] }, { name: 'sql', posts: [{ id: 1 }, { id: 2 }] }, { name: 'unused', posts: [] }]))
  })
})

describe('refusals', () => {
  it('an ambiguous relation names the candidates', async () => {
    const answer = await posts('id, profiles(username)')
    assert.deepEqual(answer, refused(
      300, 'PGRST201', "Could not embed because more than one relationship was found for 'posts' and 'profiles'",
      [
        { cardinality: 'many-to-one', embedding: 'posts with profiles', relationship: 'posts_author_id_fkey using posts(author_id) and profiles(id)' },
        { cardinality: 'many-to-one', embedding: 'posts with profiles', relationship: 'posts_reviewer_id_fkey using posts(reviewer_id) and profiles(id)' },
      ],
      "Try changing 'profiles' to one of the following: 'profiles!posts_author_id_fkey', 'profiles!posts_reviewer_id_fkey'. Find the desired relationship in the 'details' key."))
  })
  it('no relation', async () => {
    assert.deepEqual(await posts('id, items(id)'), refused(
      400, 'PGRST200', "Could not find a relationship between 'posts' and 'items' in the schema cache",
      "Searched for a foreign key relationship between 'posts' and 'items' in the schema 'public', but no matches were found.",
      "Perhaps you meant 'tags' instead of 'items'."))
  })
  it('ordering by a relation to many', async () => {
    assert.deepEqual(await anon.from('posts').select('id, comments(id)').order('comments(id)'), refused(
      400, 'PGRST118', "A related order on 'comments' is not possible", "'posts' and 'comments' do not form a many-to-one or one-to-one relationship"))
  })
})
