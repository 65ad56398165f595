// Functions with rpc(). On SQLite there are none of users yet: a call is refused as one of a function that does not exist.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ada, bob, ok, refused } from './basalt.mjs'

const hasFunctions = Boolean(process.env.BASALT_TEST_DATABASES)
const skip = hasFunctions ? false : 'functions of users run on PostgreSQL'

let basalt, anon
before(async () => {
  basalt = await Basalt.start({ migration: hasFunctions ? 'blog_functions' : undefined })
  anon = basalt.anon()
})
after(() => basalt?.stop())

const missing = (shown, searched, hint = null) => refused(
  404, 'PGRST202', `Could not find the function public.${shown} in the schema cache`,
  `Searched for the function public.${searched}, but no matches were found in the schema cache.`, hint)

describe('a function that does not exist', () => {
  it('is refused by POST', async () => {
    assert.deepEqual(
      await anon.rpc('zzz', { a: 1 }),
      missing('zzz(a)', 'zzz with parameter a or with a single unnamed json/jsonb parameter'))
  })
  it('is refused by GET', async () => {
    assert.deepEqual(await anon.rpc('zzz', {}, { get: true }), missing('zzz without parameters', 'zzz without parameters'))
  })
})

describe('calls', { skip }, () => {
  it('pass arguments and defaults', async () => {
    assert.deepEqual(await anon.rpc('add', { a: 1, b: 2 }), ok(3))
    assert.deepEqual(await anon.rpc('add', { a: 1 }), ok(11))
    assert.deepEqual(await anon.rpc('hello'), ok('hello'))
  })
  it('pass them by GET', async () => {
    assert.deepEqual(await anon.rpc('add', { a: 1, b: 2 }, { get: true }), ok(3))
    assert.deepEqual(await anon.rpc('labels_of', { list: ['a', 'b c'] }, { get: true }), ok('a|b c'))
  })
  it('ask for headers alone', async () => {
    assert.deepEqual(await anon.rpc('posts_of', { name: 'ada' }, { head: true, count: 'exact' }), ok(null, 200, 2))
  })
  it('pass lists and documents', async () => {
    assert.deepEqual(await anon.rpc('labels_of', { list: ['a', 'b'] }), ok('a|b'))
    assert.deepEqual(await anon.rpc('total', { n: [1, 2, 3] }), ok(6))
    assert.deepEqual(await anon.rpc('document', { doc: { a: [1, null] } }), ok({ a: [1, null], seen: true }))
  })
  it('return nothing', async () => {
    assert.deepEqual(await anon.rpc('nothing'), ok(null, 204))
  })
  it('choose among functions of one name', async () => {
    assert.deepEqual(await anon.rpc('over', { a: 1 }), ok('one'))
    assert.deepEqual(await anon.rpc('over', { a: 1, b: 2 }), ok('two'))
  })
  it('run as who is signed in', async () => {
    const client = await basalt.signedIn(ada)
    assert.deepEqual(await client.rpc('whoami'), ok(ada.id))
    assert.deepEqual(await anon.rpc('whoami'), ok(null))
  })
})

describe('rows of functions', { skip }, () => {
  it('obey row policies', async () => {
    assert.deepEqual(await anon.rpc('posts_of', { name: 'bob' }).select('id').order('id'), ok([{ id: 3 }]))
    const client = await basalt.signedIn(bob)
    assert.deepEqual(await client.rpc('posts_of', { name: 'bob' }).select('id').order('id'), ok([{ id: 3 }, { id: 4 }]))
  })
  it('are selected, filtered, ordered and limited', async () => {
    const { data, count, status } = await anon.rpc('posts_of', { name: 'ada' }, { count: 'exact' })
      .select('id, title').gt('views', 5).order('views', { ascending: false }).limit(1)
    assert.deepEqual({ data, count, status }, { data: [{ id: 2, title: 'Second thoughts' }], count: 2, status: 206 })
  })
  it('have a range', async () => {
    assert.deepEqual(await anon.rpc('numbers').range(1, 2), ok([2, 3]))
  })
  it('embed', async () => {
    assert.deepEqual(
      await anon.rpc('posts_of', { name: 'ada' }).select('id, comments(body), author:profiles!posts_author_id_fkey(username)').eq('id', 1),
      ok([{ id: 1, comments: [{ body: 'Welcome!' }, { body: 'Thanks' }], author: { username: 'ada' } }]))
  })
  it('are one object when asked', async () => {
    assert.deepEqual(await anon.rpc('posts_of', { name: 'bob' }).select('id').single(), ok({ id: 3 }))
    assert.deepEqual(await anon.rpc('posts_of', { name: 'nobody' }).select('id').maybeSingle(), ok(null))
    const { error, status } = await anon.rpc('posts_of', { name: 'ada' }).select('id').single()
    assert.deepEqual([error.code, status], ['PGRST116', 406])
  })
  it('are CSV when asked', async () => {
    assert.deepEqual(await anon.rpc('counts').csv(), ok('status,n\npublished,3'))
  })
  it('are one object by themselves', async () => {
    assert.deepEqual(await anon.rpc('first_post').select('id, title'), ok({ id: 1, title: 'First light' }))
  })
  it('are tables of their own', async () => {
    assert.deepEqual(await anon.rpc('counts').eq('status', 'published'), ok([{ status: 'published', n: 3 }]))
  })
  it('may be written by the function', async () => {
    const client = await basalt.signedIn(ada)
    assert.deepEqual(
      await client.rpc('leave_comment', { post: 2, body: 'By function' }).select('body, posts(id)'),
      ok([{ body: 'By function', posts: { id: 2 } }]))
    const { error, status } = await anon.rpc('leave_comment', { post: 2, body: 'x' })
    assert.deepEqual([error.code, status], ['42501', 401])
    const byGet = await client.rpc('leave_comment', { post: 2, body: 'x' }, { get: true })
    assert.deepEqual([byGet.error.code, byGet.status], ['25006', 405])
  })
  it('are bounded by maxAffected', async () => {
    const { error, status } = await anon.rpc('numbers').maxAffected(2)
    assert.deepEqual([error.code, error.details, status], ['PGRST124', 'The query affects 3 rows', 400])
  })
})

describe('computed', { skip }, () => {
  it('columns', async () => {
    assert.deepEqual(
      await anon.from('posts').select('id, shouted_title').eq('shouted_title', 'FIRST LIGHT'),
      ok([{ id: 1, shouted_title: 'FIRST LIGHT' }]))
  })
  it('relationships', async () => {
    assert.deepEqual(
      await anon.from('posts').select('id, latest_comment(body)').in('id', [1, 3]).order('id'),
      ok([{ id: 1, latest_comment: { body: 'Thanks' } }, { id: 3, latest_comment: null }]))
  })
})

describe('refusals', { skip }, () => {
  it('come with what was nearly right', async () => {
    const { error } = await anon.rpc('helo')
    assert.equal(error.hint, 'Perhaps you meant to call the function public.hello')
    const { error: arguments_ } = await anon.rpc('add', { a: 1, bb: 2 })
    assert.equal(arguments_.hint, 'Perhaps you meant to call the function public.add(a, b)')
  })
  it('are those of the function', async () => {
    const { error, status } = await anon.rpc('refuse', { reason: 'No!' })
    assert.deepEqual({ ...error }, { code: 'PT402', details: 'the detail', hint: 'the hint', message: 'No!' })
    assert.equal(status, 402)
  })
  it('are those of rights', async () => {
    const { error, status } = await anon.rpc('only_service')
    assert.deepEqual([error.code, status], ['42501', 401])
    assert.deepEqual(await basalt.service().rpc('only_service'), ok('served'))
  })
  it('leave the status to the function', async () => {
    const { status } = await anon.rpc('teapot')
    assert.equal(status, 418)
  })
})
