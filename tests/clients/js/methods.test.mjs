// Every public method of postgrest-js, one by one: what is new in a release of it fails the last test until it has one here.
// Anon sees posts 1, 2 and 3; the service role writes items of its own. Ranges, full-text search and functions of users are
// PostgreSQL's alone (tests/fixtures/blog_methods.sql); SQLite refuses them in so many words.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ada, ok, refused } from './basalt.mjs'

const onPostgres = Boolean(process.env.BASALT_TEST_DATABASES)
const notOne = 'Cannot coerce the result to a single JSON object'
const noOperator = 'No operator matches the given name and argument types. You might need to add explicit type casts.'

let basalt, anon, service
before(async () => {
  basalt = await Basalt.start({ migration: onPostgres ? 'blog_methods' : undefined })
  anon = basalt.anon()
  service = basalt.service()
})
after(() => basalt?.stop())

const posts = (columns = 'id', options) => anon.from('posts').select(columns, options)
const items = () => service.from('items')
const stays = () => anon.from('stays').select('id').order('id')
const item = (id, name, qty = 1, note = null) => ({ id, name, qty, note })
const rows = (...ids) => ids.map((id) => ({ id }))

/** The methods that have a test, as `Class.method`. */
const tested = new Set()
/** A test of one method. */
function method(name, body) {
  tested.add(name)
  it(name.split('.')[1], body)
}
/** A test of a filter: the posts it leaves, and of a count of them. */
function filter(name, apply, ...ids) {
  method(`PostgrestFilterBuilder.${name}`, async () => {
    assert.deepEqual(await apply(posts()).order('id'), ok(rows(...ids)))
    assert.deepEqual(await apply(posts('*', { count: 'exact', head: true })), ok(null, 200, ids.length))
    assert.deepEqual(
      await apply(posts('id', { count: 'exact' })).eq('nope', 1), refused(400, '42703', 'column posts.nope does not exist'))
  })
}

describe('PostgrestClient', () => {
  method('PostgrestClient.from', async () => {
    assert.deepEqual(await anon.from('tags').select('name').eq('id', 1), ok([{ name: 'rust' }]))
    assert.deepEqual(
      await anon.from('zzzzzzzz').select(), refused(404, 'PGRST205', "Could not find the table 'public.zzzzzzzz' in the schema cache"))
    assert.deepEqual(await anon.from('vault').select(), refused(401, '42501', 'permission denied for table vault'))
  })
  method('PostgrestClient.schema', async () => {
    assert.deepEqual(await anon.schema('public').from('tags').select('name').eq('id', 1), ok([{ name: 'rust' }]))
    const closed = refused(406, 'PGRST106', 'Invalid schema: auth', null, 'Only the following schemas are exposed: public, graphql_public')
    assert.deepEqual(await anon.schema('auth').from('users').select(), closed)
    assert.deepEqual(await service.schema('auth').from('users').insert({ email: 'x' }), closed)
  })
  method('PostgrestClient.rpc', async () => {
    assert.deepEqual(await anon.rpc('zzz', {}, { get: true }), refused(
      404, 'PGRST202', 'Could not find the function public.zzz without parameters in the schema cache',
      'Searched for the function public.zzz without parameters, but no matches were found in the schema cache.'))
    if (!onPostgres) return
    assert.deepEqual(await anon.rpc('add', { a: 1, b: 2 }), ok(3))
    assert.deepEqual(await anon.rpc('add', { a: 1 }, { get: true, count: 'exact' }), ok(11, 200, 1))
    assert.deepEqual(await anon.rpc('add', { a: 1 }, { head: true }), ok(null))
  })
  method('PostgrestClient.getOpenApiSpec', async () => {
    const { data, ...answer } = await service.schema('public').getOpenApiSpec()
    assert.deepEqual(answer, { success: true, error: null, count: null, status: 200, statusText: 'OK' })
    assert.equal(data.swagger, '2.0')
    assert.deepEqual(Object.keys(data.definitions.items.properties).sort(), ['id', 'name', 'note', 'qty'])
    const { success, error, status } = await service.schema('auth').getOpenApiSpec()
    assert.deepEqual({ success, code: error.code, status }, { success: false, code: 'PGRST106', status: 406 })
  })
})

describe('PostgrestQueryBuilder', () => {
  method('PostgrestQueryBuilder.select', async () => {
    assert.deepEqual(await posts('id, title').eq('id', 1), ok([{ id: 1, title: 'First light' }]))
    assert.deepEqual(await posts('id', { count: 'exact' }).order('id'), ok(rows(1, 2, 3), 200, 3))
    assert.deepEqual(await posts('*', { count: 'exact', head: true }), ok(null, 200, 3))
    assert.deepEqual(await posts('*', { head: true }), ok(null))
    for (const count of ['planned', 'estimated']) {
      const answer = await posts('id', { count }).order('id')
      assert.ok(Number.isInteger(answer.count))
      assert.deepEqual(answer.data, rows(1, 2, 3))
    }
    assert.deepEqual(await posts('nope'), refused(400, '42703', 'column posts.nope does not exist'))
  })
  method('PostgrestQueryBuilder.insert', async () => {
    assert.deepEqual(await items().insert({ id: 300, name: 'i300' }), ok(null, 201))
    assert.deepEqual(await items().insert([{ id: 301, name: 'i301' }, { id: 302, name: 'i302', note: 'n' }], { count: 'exact' }), ok(null, 201, 2))
    assert.deepEqual(
      await items().insert([{ id: 303, name: 'i303', qty: 3 }, { id: 304, name: 'i304' }], { defaultToNull: false }).select(),
      ok([item(303, 'i303', 3), item(304, 'i304')], 201))
    const { error, data, status } = await items().insert([{ id: 305, name: 'i305', qty: 3 }, { id: 306, name: 'i306' }])
    assert.deepEqual([error.code, data, status], ['23502', null, 400])
    assert.deepEqual(
      await items().insert(item(1, 'again')),
      refused(409, '23505', 'duplicate key value violates unique constraint "items_pkey"', 'Key (id)=(1) already exists.'))
    assert.deepEqual(await anon.from('items').insert(item(307, 'i307')), refused(401, '42501', 'permission denied for table items'))
  })
  method('PostgrestQueryBuilder.upsert', async () => {
    assert.deepEqual(await items().upsert(item(310, 'i310')), ok(null, 201))
    assert.deepEqual(await items().upsert(item(310, 'i310', 2)), ok(null, 200))
    assert.deepEqual(
      await items().upsert([item(310, 'i310', 5), item(311, 'i311')], { count: 'exact' }).select(),
      ok([item(310, 'i310', 5), item(311, 'i311')], 201, 2))
    assert.deepEqual(
      await items().upsert({ id: 311, name: 'i311', note: 'by name' }, { onConflict: 'name' }).select(), ok([item(311, 'i311', 1, 'by name')]))
    assert.deepEqual(
      await items().upsert([item(310, 'changed'), item(312, 'i312')], { ignoreDuplicates: true }).select(), ok([item(312, 'i312')], 201))
    assert.deepEqual(
      await items().upsert([{ id: 313, name: 'i313', qty: 9 }, { id: 314, name: 'i314' }], { defaultToNull: false }).select(),
      ok([item(313, 'i313', 9), item(314, 'i314')], 201))
    assert.deepEqual(
      await items().upsert(item(315, 'i315'), { onConflict: 'qty' }),
      refused(400, '42P10', 'there is no unique or exclusion constraint matching the ON CONFLICT specification'))
  })
  method('PostgrestQueryBuilder.update', async () => {
    await items().insert([item(320, 'i320'), item(321, 'i321')])
    assert.deepEqual(await items().update({ qty: 3 }).eq('id', 320), ok(null, 204))
    assert.deepEqual(await items().update({ qty: 4 }, { count: 'exact' }).in('id', [320, 321]), ok(null, 204, 2))
    assert.deepEqual(await items().update({ note: 'n' }).eq('id', 321).select(), ok([item(321, 'i321', 4, 'n')]))
    assert.deepEqual(
      await items().update({ name: 'bolt' }).eq('id', 320),
      refused(409, '23505', 'duplicate key value violates unique constraint "items_name_key"', 'Key (name)=(bolt) already exists.'))
    assert.deepEqual(
      await items().update({ nope: 1 }).eq('id', 320), refused(400, 'PGRST204', "Could not find the 'nope' column of 'items' in the schema cache"))
  })
  method('PostgrestQueryBuilder.delete', async () => {
    await items().insert([item(330, 'i330'), item(331, 'i331'), item(332, 'i332')])
    assert.deepEqual(await items().delete().eq('id', 330), ok(null, 204))
    assert.deepEqual(await items().delete({ count: 'exact' }).in('id', [330, 331]), ok(null, 204, 1))
    assert.deepEqual(await items().delete().eq('id', 332).select('id'), ok(rows(332)))
    assert.deepEqual(await anon.from('items').delete().eq('id', 1), refused(401, '42501', 'permission denied for table items'))
  })
})

describe('PostgrestFilterBuilder', () => {
  filter('eq', (q) => q.eq('title', 'Über alles, was "bleibt"'), 3)
  filter('neq', (q) => q.neq('id', 2), 1, 3)
  filter('gt', (q) => q.gt('views', 5), 1, 2)
  filter('gte', (q) => q.gte('published_on', '2026-01-20'), 2, 3)
  filter('lt', (q) => q.lt('views', 10), 3)
  filter('lte', (q) => q.lte('views', 10), 1, 3)
  filter('like', (q) => q.like('title', 'First%'), 1)
  filter('likeAllOf', (q) => q.likeAllOf('title', ['%light%', 'First%']), 1)
  filter('likeAnyOf', (q) => q.likeAnyOf('title', ['First%', 'Second%']), 1, 2)
  filter('ilike', (q) => q.ilike('title', '%THOUGHTS'), 2)
  filter('ilikeAllOf', (q) => q.ilikeAllOf('title', ['%LIGHT%', 'first%']), 1)
  filter('ilikeAnyOf', (q) => q.ilikeAnyOf('title', ['first%', 'SECOND%']), 1, 2)
  filter('regexMatch', (q) => q.regexMatch('title', '^F.*t$'), 1)
  filter('regexIMatch', (q) => q.regexIMatch('title', '^s'), 2)
  filter('is', (q) => q.is('rating', null), 3)
  filter('isDistinct', (q) => q.isDistinct('rating', 4.5), 2, 3)
  filter('in', (q) => q.in('title', ['First light', 'a,b', '(c)']), 1)
  filter('notIn', (q) => q.notIn('id', [1, 2]), 3)
  filter('contains', (q) => q.contains('labels', ['news']).contains('meta', { lang: 'en' }), 1)
  filter('containedBy', (q) => q.containedBy('labels', ['essay', 'x']).containedBy('meta', { lang: 'en', words: 2 }), 2)
  filter('overlaps', (q) => q.overlaps('labels', ['intro', 'x']), 1)
  filter('match', (q) => q.match({ status: 'published', views: 25, body: undefined }), 2)
  filter('not', (q) => q.not('rating', 'is', null).not('id', 'in', '(2)'), 1)
  filter('or', (q) => q.or('id.eq.2,and(views.gt.1,views.lt.6)'), 2, 3)
  filter('filter', (q) => q.filter('id', 'in', '(1,3)').filter('meta->>lang', 'eq', 'de'), 3)

  it('is of true, false and what is neither', async () => {
    const note = (locked) => service.from('notes').select('id').is('locked', locked)
    for (const locked of [true, false]) assert.deepEqual(await note(locked), ok([]))
    const { error, status } = await note('nope')
    assert.deepEqual([error.code, status], ['PGRST100', 400])
  })
  it('filters of referenced tables', async () => {
    assert.deepEqual(
      await posts('id, comments(body)').eq('id', 1).or('body.eq.Thanks,body.eq.x', { referencedTable: 'comments' }),
      ok([{ id: 1, comments: [{ body: 'Thanks' }] }]))
    assert.deepEqual(
      await posts('id, comments(body)').eq('id', 1).eq('comments.body', 'Welcome!'), ok([{ id: 1, comments: [{ body: 'Welcome!' }] }]))
  })

  const ranges = [
    ['rangeGt', '(0,5)', '>>', [2]],
    ['rangeGte', '(2,5)', '&>', [2, 3]],
    ['rangeLt', '(4,20)', '<<', [1]],
    ['rangeLte', '(4,7)', '&<', [1, 3]],
    ['rangeAdjacent', '[10,12)', '-|-', [2]],
  ]
  for (const [name, range, operator, ids] of ranges) {
    method(`PostgrestFilterBuilder.${name}`, async () => {
      if (onPostgres) assert.deepEqual(await stays()[name]('nights', range), ok(rows(...ids)))
      // Of a number, two of these are PostgreSQL's shifts of bits, and the others nothing.
      assert.deepEqual(await posts()[name]('id', range), operator === '>>' || operator === '<<'
        ? refused(400, '42804', 'argument of WHERE must be type boolean, not type bigint')
        : refused(404, '42883', `operator does not exist: bigint ${operator} unknown`, null, noOperator))
    })
  }
  method('PostgrestFilterBuilder.textSearch', async () => {
    const searches = [
      ['cat & fat', {}, [1]],
      ['fat cat', { type: 'plain', config: 'english' }, [1]],
      ['fat cats', { type: 'phrase', config: 'english' }, [1]],
      ['rat -cat', { type: 'websearch', config: 'english' }, [3]],
    ]
    for (const [query, options, ids] of searches) {
      if (onPostgres) assert.deepEqual(await stays().textSearch('words', query, options), ok(rows(...ids)))
    }
    for (const type of [undefined, 'plain', 'phrase', 'websearch']) {
      assert.deepEqual(
        await posts().textSearch('title', 'light', { config: 'english', type }),
        onPostgres ? ok(rows(1)) : refused(400, '0A000', 'full-text search is not supported on SQLite'))
    }
    if (onPostgres) {
      assert.deepEqual(
        await posts().textSearch('title', 'light', { config: 'zzz' }), refused(400, '42704', 'text search configuration "zzz" does not exist'))
    }
  })
})

describe('PostgrestTransformBuilder', () => {
  method('PostgrestTransformBuilder.select', async () => {
    assert.deepEqual(await items().insert(item(340, 'i340')).select('name, n:qty'), ok([{ name: 'i340', n: 1 }], 201))
    assert.deepEqual(await items().update({ qty: 2 }).eq('id', 340).select('qty'), ok([{ qty: 2 }]))
  })
  method('PostgrestTransformBuilder.order', async () => {
    assert.deepEqual(await posts().order('rating', { nullsFirst: true }), ok(rows(3, 2, 1)))
    assert.deepEqual(await posts().order('rating', { ascending: false, nullsFirst: false }), ok(rows(1, 2, 3)))
    assert.deepEqual(await posts().order('author_id').order('views', { ascending: false }), ok(rows(2, 1, 3)))
    assert.deepEqual(
      await posts('id, comments(body)').eq('id', 1).order('body', { referencedTable: 'comments' }),
      ok([{ id: 1, comments: [{ body: 'Thanks' }, { body: 'Welcome!' }] }]))
    assert.deepEqual(await posts().order('nope'), refused(400, '42703', 'column posts.nope does not exist'))
  })
  method('PostgrestTransformBuilder.limit', async () => {
    assert.deepEqual(await posts().order('id').limit(2), ok(rows(1, 2)))
    assert.deepEqual(await posts('id', { count: 'exact' }).order('id').limit(2), ok(rows(1, 2), 206, 3))
    assert.deepEqual(await posts().limit(0), ok([]))
    assert.deepEqual(
      await posts('id, comments(id)').eq('id', 1).order('id', { referencedTable: 'comments' }).limit(1, { referencedTable: 'comments' }),
      ok([{ id: 1, comments: rows(1) }]))
  })
  method('PostgrestTransformBuilder.range', async () => {
    assert.deepEqual(await posts().order('id').range(1, 2), ok(rows(2, 3)))
    assert.deepEqual(await posts('id', { count: 'exact' }).order('id').range(1, 1), ok(rows(2), 206, 3))
    assert.deepEqual(
      await posts('id, comments(id)').eq('id', 1).order('id', { referencedTable: 'comments' }).range(1, 5, { referencedTable: 'comments' }),
      ok([{ id: 1, comments: rows(2) }]))
    assert.deepEqual(await posts('id', { count: 'exact' }).range(5, 9), refused(
      416, 'PGRST103', 'Requested range not satisfiable', 'An offset of 5 was requested, but there are only 3 rows.'))
  })
  method('PostgrestTransformBuilder.abortSignal', async () => {
    const { error, data, count, status } = await posts().abortSignal(AbortSignal.abort())
    assert.deepEqual([error.message, data, count, status], ['AbortError: This operation was aborted', null, null, 0])
    assert.deepEqual(await posts().eq('id', 1).abortSignal(new AbortController().signal), ok(rows(1)))
  })
  method('PostgrestTransformBuilder.single', async () => {
    assert.deepEqual(await posts('id', { count: 'exact' }).eq('id', 1).single(), ok({ id: 1 }, 200, 1))
    assert.deepEqual(await posts().eq('id', 99).single(), refused(406, 'PGRST116', notOne, 'The result contains 0 rows'))
    assert.deepEqual(await posts().single(), refused(406, 'PGRST116', notOne, 'The result contains 3 rows'))
  })
  method('PostgrestTransformBuilder.maybeSingle', async () => {
    assert.deepEqual(await posts().eq('id', 1).maybeSingle(), ok({ id: 1 }))
    assert.deepEqual(await posts().eq('id', 99).maybeSingle(), ok(null))
    assert.deepEqual(await posts().maybeSingle(), refused(
      406, 'PGRST116', 'JSON object requested, multiple (or no) rows returned',
      'Results contain 3 rows, application/vnd.pgrst.object+json requires 1 row'))
  })
  method('PostgrestTransformBuilder.csv', async () => {
    assert.deepEqual(await posts('id, title', { count: 'exact' }).lt('id', 3).order('id').csv(), ok('id,title\n1,"First light"\n2,"Second thoughts"', 200, 2))
    assert.deepEqual(await items().insert(item(341, 'i341')).select('id, note').csv(), ok('id,note\n341,', 201))
  })
  method('PostgrestTransformBuilder.geojson', async () => {
    // Neither engine has PostGIS here.
    assert.deepEqual(await posts().geojson(), refused(
      404, '42883', 'function st_asgeojson(record) does not exist', null,
      'No function matches the given name and argument types. You might need to add explicit type casts.'))
  })
  method('PostgrestTransformBuilder.explain', async () => {
    for (const [options, shown] of [[{}, 'text'], [{ analyze: true, verbose: true, format: 'json' }, 'json']]) {
      const { error, data, count, status } = await posts().explain(options)
      assert.deepEqual([error.code, data, count, status], ['PGRST107', null, null, 406])
      assert.ok(error.message.startsWith(`None of these media types are available: application/vnd.pgrst.plan+${shown}`), error.message)
    }
  })
  // As PostgREST without db-tx-end's override, and so Supabase: the wish is not followed.
  method('PostgrestTransformBuilder.rollback', async () => {
    assert.deepEqual(await items().insert(item(342, 'i342')).select('id').rollback(), ok(rows(342), 201))
    assert.deepEqual(await items().select('id').eq('id', 342), ok(rows(342)))
  })
  method('PostgrestTransformBuilder.maxAffected', async () => {
    await items().insert([item(343, 'i343'), item(344, 'i344')])
    assert.deepEqual(await items().update({ qty: 7 }).in('id', [343, 344]).maxAffected(2), ok(null, 204))
    const tooMany = refused(400, 'PGRST124', 'Query result exceeds max-affected preference constraint', 'The query affects 2 rows')
    assert.deepEqual(await items().update({ qty: 8 }).in('id', [343, 344]).maxAffected(1), tooMany)
    assert.deepEqual(await items().delete().in('id', [343, 344]).select().maxAffected(1), tooMany)
    assert.deepEqual(await items().select('qty').in('id', [343, 344]), ok([{ qty: 7 }, { qty: 7 }]))
  })
})

describe('PostgrestBuilder', () => {
  method('PostgrestBuilder.throwOnError', async () => {
    assert.deepEqual(await posts().eq('id', 1).throwOnError(), ok(rows(1)))
    await assert.rejects(async () => await posts('nope').throwOnError(), {
      name: 'PostgrestError', code: '42703', message: 'column posts.nope does not exist', details: null, hint: null,
    })
    await assert.rejects(async () => await posts().throwOnError().single(), { code: 'PGRST116', message: notOne, details: 'The result contains 3 rows' })
  })
  method('PostgrestBuilder.stripNulls', async () => {
    assert.deepEqual(await posts('id, rating', { count: 'exact' }).eq('id', 3).stripNulls(), ok([{ id: 3 }], 200, 1))
    assert.deepEqual(await posts('id, rating').eq('id', 3).single().stripNulls(), ok({ id: 3 }))
    assert.deepEqual(
      await posts('id, rating').single().stripNulls(), refused(406, 'PGRST116', notOne, 'The result contains 3 rows'))
  })
  method('PostgrestBuilder.setHeader', async () => {
    assert.deepEqual(await posts().order('id').setHeader('Prefer', 'count=exact'), ok(rows(1, 2, 3), 200, 3))
    const { data: { session } } = await basalt.anon().auth.signInWithPassword(ada)
    assert.deepEqual(await posts().order('id').setHeader('Authorization', `Bearer ${session.access_token}`), ok(rows(1, 2, 3, 5)))
    const { error, status } = await posts().setHeader('Authorization', 'Bearer x')
    assert.deepEqual([error.code, status], ['PGRST301', 401])
  })
  // The first try meets a server that is busy.
  method('PostgrestBuilder.retry', async () => {
    const tries = async (isRetried) => {
      const retries = []
      const busyOnce = (url, options) => {
        retries.push(options.headers['X-Retry-Count'] ?? null)
        return retries.length > 1 ? fetch(url, options) : Promise.resolve(new Response('{"code":"PGRST002"}', { status: 503, headers: { 'retry-after': '0' } }))
      }
      const query = new (anon.schema('public').from('posts').constructor)(new URL(`${basalt.url}/rest/v1/posts`), {
        headers: { apikey: basalt.anonKey }, fetch: busyOnce,
      })
      const { data, error, count, status } = await query.select('id').eq('id', 1).retry(isRetried)
      return { data, code: error?.code, count, status, retries }
    }
    assert.deepEqual(await tries(true), { data: rows(1), code: undefined, count: null, status: 200, retries: [null, '1'] })
    assert.deepEqual(await tries(false), { data: null, code: 'PGRST002', count: null, status: 503, retries: [null] })
  })
  method('PostgrestBuilder.returns', async () => {
    assert.deepEqual(await posts('id', { count: 'exact' }).eq('id', 1).returns(), ok(rows(1), 200, 1))
  })
  method('PostgrestBuilder.overrideTypes', async () => {
    assert.deepEqual(await posts().eq('id', 1).overrideTypes(), ok(rows(1)))
    assert.deepEqual(await posts().eq('id', 1).maybeSingle().overrideTypes(), ok({ id: 1 }))
  })
})

describe('postgrest-js', () => {
  it('has no method without a test', () => {
    // Not for callers: what the types call private, and what `await` calls.
    const internal = new Set(['constructor', 'decorateFetch', 'cloneRequestState', 'processResponse', 'then'])
    const methods = new Set()
    for (const start of [anon.schema('public'), anon.from('posts'), posts()]) {
      for (let made = Object.getPrototypeOf(start); made !== Object.prototype; made = Object.getPrototypeOf(made)) {
        const parent = Object.getPrototypeOf(made)
        for (const name of Object.getOwnPropertyNames(made)) {
          // Some are written down again in a class for its types: they do what its parent's do.
          if (!internal.has(name) && !(name in parent)) methods.add(`${made.constructor.name}.${name}`)
        }
      }
    }
    assert.deepEqual([...methods].sort(), [...tested].sort())
  })
})
