// Writing through PostgREST's dialect, as the service role: no policy is in the way. Items 1 to 3 are the seed's; each test uses
// rows of its own.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ok, refused } from './basalt.mjs'

let basalt, service, items
before(async () => {
  basalt = await Basalt.start()
  service = basalt.service()
  items = () => service.from('items')
})
after(() => basalt?.stop())

const item = (id, name, qty = 1, note = null) => ({ id, name, qty, note })
const stored = (...ids) => items().select().in('id', ids).order('id')

describe('insert', () => {
  it('one row, nothing returned', async () => {
    assert.deepEqual(await items().insert({ id: 100, name: 'i100' }), ok(null, 201))
    assert.deepEqual(await stored(100), ok([item(100, 'i100')]))
  })
  it('returns the row with its defaults', async () => {
    assert.deepEqual(await items().insert({ id: 101, name: 'i101' }).select(), ok([item(101, 'i101')], 201))
  })
  it('returns one object', async () => {
    assert.deepEqual(await items().insert({ id: 102, name: 'i102' }).select('name').single(), ok({ name: 'i102' }, 201))
  })
  it('many rows, missing keys are null', async () => {
    assert.deepEqual(
      await items().insert([{ id: 103, name: 'i103', note: 'x' }, { id: 104, name: 'i104' }]).select(),
      ok([item(103, 'i103', 1, 'x'), item(104, 'i104')], 201))
  })
  it('many rows, missing keys are defaults', async () => {
    assert.deepEqual(
      await items().insert([{ id: 105, name: 'i105', qty: 5 }, { id: 106, name: 'i106' }], { defaultToNull: false }).select(),
      ok([item(105, 'i105', 5), item(106, 'i106')], 201))
  })
  it('counts', async () => {
    assert.deepEqual(
      await items().insert([{ id: 107, name: 'i107' }, { id: 108, name: 'i108' }], { count: 'exact' }), ok(null, 201, 2))
  })
  it('gives an identity its next number', async () => {
    assert.deepEqual(await service.from('tags').insert({ id: 100, name: 't100' }).select(), ok([{ id: 100, name: 't100' }], 201))
    assert.deepEqual(
      await service.from('comments').insert({ post_id: 1, body: 'by the service' }).select(),
      ok([{ id: 5, post_id: 1, author_id: null, reply_to: null, body: 'by the service' }], 201))
  })
  it('of all rows or none', async () => {
    assert.deepEqual(
      await items().insert([item(109, 'i109'), item(1, 'again')]),
      refused(409, '23505', 'duplicate key value violates unique constraint "items_pkey"', 'Key (id)=(1) already exists.'))
    assert.deepEqual(await stored(109), ok([]))
  })
})

describe('constraints', () => {
  it('unique', async () => {
    assert.deepEqual(
      await items().insert(item(110, 'bolt')),
      refused(409, '23505', 'duplicate key value violates unique constraint "items_name_key"', 'Key (name)=(bolt) already exists.'))
  })
  it('check', async () => {
    assert.deepEqual(await items().insert(item(111, 'i111', -1)), refused(
      400, '23514', 'new row for relation "items" violates check constraint "items_qty_check"', 'Failing row contains (111, i111, -1, null).'))
  })
  it('not null', async () => {
    assert.deepEqual(await items().insert({ id: 112 }), refused(
      400, '23502', 'null value in column "name" of relation "items" violates not-null constraint', 'Failing row contains (112, null, 1, null).'))
  })
  it('foreign key', async () => {
    assert.deepEqual(await service.from('comments').insert({ post_id: 999, body: 'lost' }), refused(
      409, '23503', 'insert or update on table "comments" violates foreign key constraint "comments_post_id_fkey"',
      'Key (post_id)=(999) is not present in table "posts".'))
  })
  it('an unknown column', async () => {
    assert.deepEqual(
      await items().insert({ id: 113, name: 'i113', nope: 1 }),
      refused(400, 'PGRST204', "Could not find the 'nope' column of 'items' in the schema cache"))
  })
  it('a value of another type', async () => {
    assert.deepEqual(
      await items().insert({ id: 'abc', name: 'i114' }), refused(400, '22P02', 'invalid input syntax for type integer: "abc"'))
  })
})

describe('upsert', () => {
  it('inserts or updates by the primary key', async () => {
    await items().insert(item(120, 'i120'))
    assert.deepEqual(
      await items().upsert([item(120, 'i120', 7), item(121, 'i121')]).select(), ok([item(120, 'i120', 7), item(121, 'i121')], 201))
  })
  it('answers 200 when nothing is new', async () => {
    await items().insert(item(122, 'i122'))
    assert.deepEqual(await items().upsert(item(122, 'i122', 8)).select(), ok([item(122, 'i122', 8)], 200))
  })
  it('by another unique column', async () => {
    await items().insert(item(123, 'i123'))
    assert.deepEqual(
      await items().upsert({ id: 123, name: 'i123', note: 'again' }, { onConflict: 'name' }).select(), ok([item(123, 'i123', 1, 'again')], 200))
  })
  it('ignores duplicates', async () => {
    await items().insert(item(124, 'i124'))
    assert.deepEqual(
      await items().upsert([item(124, 'changed'), item(125, 'i125')], { ignoreDuplicates: true }).select(), ok([item(125, 'i125')], 201))
    assert.deepEqual(await stored(124, 125), ok([item(124, 'i124'), item(125, 'i125')]))
  })
  it('by columns without a unique key', async () => {
    assert.deepEqual(
      await items().upsert(item(126, 'i126'), { onConflict: 'qty' }),
      refused(400, '42P10', 'there is no unique or exclusion constraint matching the ON CONFLICT specification'))
  })
})

describe('update', () => {
  it('nothing returned', async () => {
    await items().insert(item(130, 'i130'))
    assert.deepEqual(await items().update({ qty: 3 }).eq('id', 130), ok(null, 204))
    assert.deepEqual(await stored(130), ok([item(130, 'i130', 3)]))
  })
  it('returns the rows', async () => {
    await items().insert([item(131, 'i131'), item(132, 'i132')])
    assert.deepEqual(
      await items().update({ note: 'new' }).in('id', [131, 132]).select('id, note').order('id'),
      ok([{ id: 131, note: 'new' }, { id: 132, note: 'new' }]))
  })
  it('counts', async () => {
    await items().insert([item(133, 'i133'), item(134, 'i134')])
    assert.deepEqual(await items().update({ qty: 2 }, { count: 'exact' }).in('id', [133, 134]), ok(null, 204, 2))
  })
  it('of no row', async () => assert.deepEqual(await items().update({ qty: 2 }).eq('id', 9999).select(), ok([])))
  it('into a taken key', async () => {
    await items().insert(item(135, 'i135'))
    assert.deepEqual(
      await items().update({ name: 'bolt' }).eq('id', 135),
      refused(409, '23505', 'duplicate key value violates unique constraint "items_name_key"', 'Key (name)=(bolt) already exists.'))
  })
})

describe('delete', () => {
  it('nothing returned', async () => {
    await items().insert(item(140, 'i140'))
    assert.deepEqual(await items().delete().eq('id', 140), ok(null, 204))
    assert.deepEqual(await stored(140), ok([]))
  })
  it('returns the rows', async () => {
    await items().insert(item(141, 'i141'))
    assert.deepEqual(await items().delete().eq('id', 141).select(), ok([item(141, 'i141')]))
  })
  it('of a row others refer to', async () => {
    const { data: [post] } = await service.from('posts').insert({ author_id: '00000000-0000-4000-8000-00000000000b', title: 'short-lived' }).select('id')
    await service.from('comments').insert({ post_id: post.id, body: 'goes with it' })
    assert.deepEqual(await service.from('posts').delete().eq('id', post.id), ok(null, 204))
    assert.deepEqual(await service.from('comments').select('id').eq('post_id', post.id), ok([]))
  })
})
