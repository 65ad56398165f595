// What Basalt has beyond PostgREST, from a client that has only fetch for it. docs/wire/rest-beyond.md.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ok } from './basalt.mjs'

let basalt, service
before(async () => {
  basalt = await Basalt.start({ env: { BASALT_API_ETAG: 'true', BASALT_LIMITS_CONCURRENT: 'nobody=1' } })
  service = basalt.service()
})
after(() => basalt?.stop())

/** Asks as the service role. */
async function ask(method, path, body, headers = {}) {
  const key = basalt.serviceKey
  const response = await fetch(`${basalt.url}/rest/v1${path}`, {
    method,
    headers: { apikey: key, Authorization: `Bearer ${key}`, 'Content-Type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null }
}

describe('batch', () => {
  const shown = { Prefer: 'return=representation' }

  it('writes in one transaction, with references', async () => {
    const { status, body } = await ask('POST', '/-/batch', {
      operations: [
        { id: 'first', method: 'POST', path: '/items?select=id,qty', headers: shown, body: { id: 900, name: 'b900', qty: 3 } },
        { method: 'POST', path: '/items', body: { id: 901, name: 'b901', qty: { $result: '/first/0/qty' } } },
        { method: 'GET', path: '/items?id=in.(:first,901)&select=id,qty&order=id', values: { ':first': { $result: '/first/0/id' } } },
      ],
    })
    assert.equal(status, 200)
    assert.deepEqual(body.results.map((r) => [r.id, r.status]), [['first', 201], [undefined, 201], [undefined, 200]])
    assert.deepEqual(body.results[2].body, [{ id: 900, qty: 3 }, { id: 901, qty: 3 }])
  })

  it('keeps nothing when one fails, and says which', async () => {
    const { status, body } = await ask('POST', '/-/batch', {
      operations: [
        { method: 'POST', path: '/items', body: { id: 910, name: 'b910' } },
        { id: 'taken', method: 'POST', path: '/items', body: { id: 1, name: 'taken' } },
      ],
    })
    assert.equal(status, 409)
    assert.equal(body.code, '23505')
    assert.deepEqual(body.operation, { index: 1, id: 'taken' })
    assert.deepEqual(await service.from('items').select().eq('id', 910), ok([]))
  })
})

describe('nested', () => {
  it('inserts rows with related rows', async () => {
    const { id } = (await service.auth.admin.createUser({ email: 'nested@example.com', password: 'correct horse battery' })).data.user
    const { data, error, status } = await service.from('posts')
      .insert({ author_id: id, title: 'nested', comments: [{ author_id: id, body: 'first' }, { author_id: id, body: 'second' }] })
      .setHeader('Basalt-Nested', 'insert')
      .select('title,comments(body)')
      .order('body', { referencedTable: 'comments' })
    assert.deepEqual({ data, error, status }, {
      data: [{ title: 'nested', comments: [{ body: 'first' }, { body: 'second' }] }], error: null, status: 201,
    })
  })
})

describe('distinct and cursors', () => {
  it('keeps one row of each value', async () => {
    await service.from('items').insert([{ id: 930, name: 'd1', note: 'x' }, { id: 931, name: 'd2', note: 'x' }, { id: 932, name: 'd3', note: 'y' }])
    const { data } = await service.from('items').select('note').in('id', [930, 931, 932]).order('note').setHeader('Basalt-Distinct', '*')
    assert.deepEqual(data, [{ note: 'x' }, { note: 'y' }])
  })

  it('goes on where it was, though rows come and go', async () => {
    await service.from('items').insert([940, 941, 942, 943].map((id) => ({ id, name: `c${id}`, note: 'cursor' })))
    const page = (cursor) => ask('GET', `/items?select=id&note=eq.cursor&order=id&limit=2&:cursor=${cursor}`)
    const first = await page('')
    assert.deepEqual(first.body, [{ id: 940 }, { id: 941 }])
    assert.match(first.headers.get('link'), /rel="next"/)
    await service.from('items').delete().eq('id', 941)
    await service.from('items').insert({ id: 939, name: 'c939', note: 'cursor' })
    const second = await page(first.headers.get('basalt-next-cursor'))
    assert.deepEqual(second.body, [{ id: 942 }, { id: 943 }])
    assert.equal(second.headers.get('basalt-next-cursor'), null)
    const back = await page(second.headers.get('basalt-previous-cursor'))
    assert.deepEqual(back.body, [{ id: 939 }, { id: 940 }])
  })
})

describe('idempotency keys', () => {
  it('runs a repeated insert once', async () => {
    const insert = (qty) => service.from('items').insert({ id: 950, name: 'i950', qty }).setHeader('Idempotency-Key', '"order-950"').select('id,qty')
    const first = await insert(1)
    assert.deepEqual({ data: first.data, error: first.error, status: first.status }, { data: [{ id: 950, qty: 1 }], error: null, status: 201 })
    assert.deepEqual((await insert(1)).data, [{ id: 950, qty: 1 }])
    const other = await insert(2)
    assert.deepEqual([other.status, other.error.code], [422, 'BSLT018'])
    assert.deepEqual(await service.from('items').select('qty').eq('id', 950), ok([{ qty: 1 }]))
  })

  it('says that an answer is a receipt', async () => {
    const send = () => ask('POST', '/items?select=id', { id: 951, name: 'i951' }, { 'Idempotency-Key': 'order-951', Prefer: 'return=representation' })
    const [first, second] = [await send(), await send()]
    assert.deepEqual([first.status, first.body, first.headers.get('idempotency-replayed')], [201, [{ id: 951 }], null])
    assert.deepEqual([second.status, second.body, second.headers.get('idempotency-replayed')], [201, [{ id: 951 }], 'true'])
  })

  it('keeps nothing of what failed', async () => {
    const insert = (name) => service.from('items').insert({ id: 952, name }).setHeader('Idempotency-Key', 'order-952')
    assert.equal((await insert('i951')).status, 409)
    assert.equal((await insert('i952')).status, 201)
  })

  it('runs a repeated batch once', async () => {
    const body = { operations: [{ method: 'POST', path: '/items', body: { id: 953, name: 'i953' } }, { method: 'PATCH', path: '/items?id=eq.953', body: { qty: 5 } }] }
    const [first, second] = [await ask('POST', '/-/batch', body, { 'Idempotency-Key': 'batch' }), await ask('POST', '/-/batch', body, { 'Idempotency-Key': 'batch' })]
    assert.deepEqual([first.status, second.status, second.headers.get('idempotency-replayed')], [200, 200, 'true'])
    assert.deepEqual(second.body, first.body)
  })

  it('is of one caller', async () => {
    const { client: first } = await basalt.signedUp('firstkey')
    const { client: second, id } = await basalt.signedUp('secondkey')
    const own = (client, author_id) => client.from('posts').insert({ author_id, title: 'keyed' }).setHeader('Idempotency-Key', 'shared').select('title')
    assert.deepEqual((await own(second, id)).data, [{ title: 'keyed' }])
    const theirs = await own(first, id)
    assert.deepEqual([theirs.data, theirs.error.code], [null, '42501'])
  })
})

describe('etag', () => {
  it('answers 304 to who has it, and 412 to who has another', async () => {
    await service.from('items').insert({ id: 960, name: 'e960' })
    const address = '/items?id=eq.960&select=id,qty'
    const read = await ask('GET', address)
    const tag = read.headers.get('etag')
    assert.match(tag, /^W\/"[0-9a-f]{32}"$/)
    assert.equal((await ask('GET', address, undefined, { 'If-None-Match': tag })).status, 304)
    assert.equal((await ask('PATCH', address, { qty: 2 }, { 'If-Match': tag })).status, 204)
    const late = await ask('PATCH', address, { qty: 3 }, { 'If-Match': tag })
    assert.deepEqual([late.status, late.body.code], [412, 'BSLT020'])
    assert.notEqual((await ask('GET', address)).headers.get('etag'), tag)
    const { error, status } = await service.from('items').delete().eq('id', 960).setHeader('If-Match', tag)
    assert.deepEqual([status, error.code], [412, 'BSLT020'])
    assert.equal((await service.from('items').delete().eq('id', 960).setHeader('If-Match', '*')).status, 204)
  })
})
