// Reading through PostgREST's dialect, as anon: posts 1, 2 and 3 are published.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ada, bob, ok, refused } from './basalt.mjs'

let basalt, anon, posts
before(async () => {
  basalt = await Basalt.start()
  anon = basalt.anon()
  posts = (columns = 'id', options) => anon.from('posts').select(columns, options)
})
after(() => basalt?.stop())

const rows = (...ids) => ids.map((id) => ({ id }))

describe('select', () => {
  it('gives all columns of a row in their types', async () => {
    assert.deepEqual(await posts('*').eq('id', 1), ok([{
      id: 1, author_id: ada.id, reviewer_id: bob.id, title: 'First light', body: 'Hello, world', status: 'published', views: 10, rating: 4.5,
      labels: ['intro', 'news'], meta: { lang: 'en', words: 2, seo: { title: 'Hello' } }, published_on: '2026-01-10',
    }]))
  })
  it('renames, casts and reads JSON paths', async () => {
    assert.deepEqual(
      await posts('n:id, views::text, lang:meta->>lang, words:meta->words, meta->seo->>title').eq('id', 1),
      ok([{ n: 1, views: '10', lang: 'en', words: 2, title: 'Hello' }]))
  })
  it('drops nulls when asked', async () => {
    assert.deepEqual(await posts('id, rating').eq('id', 3).stripNulls(), ok([{ id: 3 }]))
  })
  // Values are quoted as in PostgreSQL's text of a row: with blanks, commas, quotes, parentheses.
  it('writes CSV', async () => {
    assert.deepEqual(
      await posts('id, title').order('id').csv(),
      ok('id,title\n1,"First light"\n2,"Second thoughts"\n3,"Über alles, was ""bleibt"""'))
  })
})

describe('filters', () => {
  const filters = [
    ['eq', (q) => q.eq('id', 2), [2]],
    ['eq of a text with commas and quotes', (q) => q.eq('title', 'Über alles, was "bleibt"'), [3]],
    ['eq of a uuid', (q) => q.eq('author_id', ada.id), [1, 2]],
    ['neq', (q) => q.neq('id', 2), [1, 3]],
    ['gt', (q) => q.gt('views', 5), [1, 2]],
    ['gte', (q) => q.gte('views', 10), [1, 2]],
    ['gte of a date', (q) => q.gte('published_on', '2026-01-20'), [2, 3]],
    ['lt', (q) => q.lt('views', 10), [3]],
    ['lte', (q) => q.lte('views', 10), [1, 3]],
    ['like', (q) => q.like('title', 'First%'), [1]],
    ['like tells case apart', (q) => q.like('title', 'first%'), []],
    ['like with one character', (q) => q.like('title', 'F_rst%'), [1]],
    ['like with an escaped percent sign', (q) => q.like('body', '100\\% (%'), [3]],
    ['ilike', (q) => q.ilike('title', '%THOUGHTS'), [2]],
    ['likeAllOf', (q) => q.likeAllOf('title', ['%light%', 'First%']), [1]],
    ['likeAnyOf', (q) => q.likeAnyOf('title', ['First%', 'Second%']), [1, 2]],
    ['ilikeAllOf', (q) => q.ilikeAllOf('title', ['%LIGHT%', 'first%']), [1]],
    ['ilikeAnyOf', (q) => q.ilikeAnyOf('title', ['first%', 'SECOND%']), [1, 2]],
    ['match by regular expression', (q) => q.regexMatch('title', '^F.*t$'), [1]],
    ['match by regular expression without case', (q) => q.regexIMatch('title', '^s'), [2]],
    ['is null', (q) => q.is('rating', null), [3]],
    ['not is null', (q) => q.not('rating', 'is', null), [1, 2]],
    ['is distinct from', (q) => q.isDistinct('rating', 4.5), [2, 3]],
    ['in', (q) => q.in('id', [1, 3]), [1, 3]],
    ['in of texts', (q) => q.in('title', ['First light', 'a,b']), [1]],
    ['in of nothing', (q) => q.in('id', []), []],
    ['not in', (q) => q.not('id', 'in', '(1,2)'), [3]],
    ['contains of an array', (q) => q.contains('labels', ['news']), [1, 3]],
    ['contains of JSON', (q) => q.contains('meta', { lang: 'en' }), [1, 2]],
    ['containedBy of an array', (q) => q.containedBy('labels', ['essay', 'x']), [2]],
    ['containedBy of JSON', (q) => q.containedBy('meta', { lang: 'de', more: 1 }), [3]],
    ['overlaps', (q) => q.overlaps('labels', ['intro', 'x']), [1]],
    ['a JSON path as text', (q) => q.eq('meta->>lang', 'de'), [3]],
    ['a JSON path as JSON', (q) => q.gt('meta->words', 1), [1, 2]],
    ['a nested JSON path', (q) => q.eq('meta->seo->>title', 'Hello'), [1]],
    ['or', (q) => q.or('id.eq.1,views.lt.6'), [1, 3]],
    ['and within or', (q) => q.or('id.eq.2,and(views.gt.1,views.lt.6)'), [2, 3]],
    ['not and within or', (q) => q.or('not.and(views.gt.5,views.lt.20),id.eq.99'), [2, 3]],
    ['several filters', (q) => q.gt('id', 1).lt('id', 3), [2]],
    ['match', (q) => q.match({ status: 'published', views: 25 }), [2]],
  ]
  for (const [name, filter, ids] of filters) {
    it(name, async () => assert.deepEqual(await filter(posts()).order('id'), ok(rows(...ids))))
  }
})

describe('order and pages', () => {
  const pages = [
    ['ascending puts nulls last', (q) => q.order('rating'), [2, 1, 3]],
    ['descending puts nulls first', (q) => q.order('rating', { ascending: false }), [3, 1, 2]],
    ['nulls first', (q) => q.order('rating', { nullsFirst: true }), [3, 2, 1]],
    ['nulls last', (q) => q.order('rating', { ascending: false, nullsFirst: false }), [1, 2, 3]],
    ['two columns', (q) => q.order('author_id').order('views', { ascending: false }), [2, 1, 3]],
    ['a JSON path', (q) => q.order('meta->>lang').order('id'), [3, 1, 2]],
    ['limit', (q) => q.order('id').limit(2), [1, 2]],
    ['range', (q) => q.order('id').range(1, 2), [2, 3]],
    ['a range past the end', (q) => q.order('id').range(5, 9), []],
  ]
  for (const [name, page, ids] of pages) {
    it(name, async () => assert.deepEqual(await page(posts()), ok(rows(...ids))))
  }
  it('counts exactly', async () => {
    assert.deepEqual(await posts('id', { count: 'exact' }).order('id'), ok(rows(1, 2, 3), 200, 3))
  })
  it('answers a counted page with 206', async () => {
    assert.deepEqual(await posts('id', { count: 'exact' }).order('id').limit(2), ok(rows(1, 2), 206, 3))
  })
  it('counts without rows', async () => {
    assert.deepEqual(await posts('*', { count: 'exact', head: true }), ok(null, 200, 3))
  })
  it('refuses an offset past the known total', async () => {
    assert.deepEqual(
      await posts('id', { count: 'exact' }).range(5, 9),
      refused(416, 'PGRST103', 'Requested range not satisfiable', 'An offset of 5 was requested, but there are only 3 rows.'))
  })
})

describe('one object', () => {
  const notOne = 'Cannot coerce the result to a single JSON object'
  it('single', async () => assert.deepEqual(await posts().eq('id', 1).single(), ok({ id: 1 })))
  it('single of none', async () => {
    assert.deepEqual(await posts().eq('id', 99).single(), refused(406, 'PGRST116', notOne, 'The result contains 0 rows'))
  })
  it('single of many', async () => {
    assert.deepEqual(await posts().single(), refused(406, 'PGRST116', notOne, 'The result contains 3 rows'))
  })
  it('maybeSingle', async () => assert.deepEqual(await posts().eq('id', 1).maybeSingle(), ok({ id: 1 })))
  it('maybeSingle of none', async () => assert.deepEqual(await posts().eq('id', 99).maybeSingle(), ok(null)))
  it('maybeSingle of many', async () => {
    assert.deepEqual(await posts().maybeSingle(), refused(
      406, 'PGRST116', 'JSON object requested, multiple (or no) rows returned',
      'Results contain 3 rows, application/vnd.pgrst.object+json requires 1 row'))
  })
})

describe('refusals', () => {
  it('an unknown table', async () => {
    assert.deepEqual(
      await anon.from('zzzzzzzz').select(),
      refused(404, 'PGRST205', "Could not find the table 'public.zzzzzzzz' in the schema cache"))
  })
  it('an unknown column', async () => {
    assert.deepEqual(await posts('nope'), refused(400, '42703', 'column posts.nope does not exist'))
  })
  it('an unknown column in a filter', async () => {
    assert.deepEqual(await posts().eq('nope', 1), refused(400, '42703', 'column posts.nope does not exist'))
  })
  it('a value of another type', async () => {
    assert.deepEqual(await posts().eq('id', 'abc'), refused(400, '22P02', 'invalid input syntax for type bigint: "abc"'))
  })
  it('a schema that is not exposed', async () => {
    assert.deepEqual(
      await anon.schema('auth').from('users').select(),
      refused(406, 'PGRST106', 'Invalid schema: auth', null, 'Only the following schemas are exposed: public, graphql_public'))
  })
})
