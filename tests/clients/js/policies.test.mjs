// Who may see and change what.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ada, bob, ok, refused } from './basalt.mjs'

let basalt, anon, service, anna, bert
before(async () => {
  basalt = await Basalt.start()
  anon = basalt.anon()
  service = basalt.service()
  anna = await basalt.signedUp('anna')
  bert = await basalt.signedUp('bert')
})
after(() => basalt?.stop())

const violates = (table) => refused(403, '42501', `new row violates row-level security policy for table "${table}"`)
const ids = (client, table) => client.from(table).select('id').order('id')

describe('rows of their owner', () => {
  let note
  it('are made with the caller as the owner', async () => {
    const answer = await anna.client.from('notes').insert({ body: 'mine' }).select().single()
    note = answer.data?.id
    assert.deepEqual(answer, ok({ id: note, owner: anna.id, body: 'mine', locked: false }, 201))
  })
  it('are seen by the owner alone', async () => {
    assert.deepEqual(await ids(anna.client, 'notes'), ok([{ id: note }]))
    assert.deepEqual(await ids(bert.client, 'notes'), ok([]))
    assert.deepEqual(await ids(anon, 'notes'), ok([]))
  })
  it('are counted for the owner alone', async () => {
    assert.deepEqual(await anna.client.from('notes').select('*', { count: 'exact', head: true }), ok(null, 200, 1))
    assert.deepEqual(await bert.client.from('notes').select('*', { count: 'exact', head: true }), ok(null, 200, 0))
  })
  it('are seen by the service role', async () => assert.deepEqual(await ids(service, 'notes'), ok([{ id: note }])))
  it('cannot be changed or deleted by others', async () => {
    assert.deepEqual(await bert.client.from('notes').update({ body: 'stolen' }).eq('id', note).select(), ok([]))
    assert.deepEqual(await bert.client.from('notes').delete().eq('id', note).select(), ok([]))
    assert.deepEqual(await anna.client.from('notes').select('body').single(), ok({ body: 'mine' }))
  })
  it('cannot be made in the name of others', async () => {
    assert.deepEqual(await bert.client.from('notes').insert({ owner: anna.id, body: 'forged' }), violates('notes'))
  })
  it('cannot be given away', async () => {
    assert.deepEqual(await anna.client.from('notes').update({ owner: bert.id }).eq('id', note), violates('notes'))
  })
  it('cannot be taken by an upsert', async () => {
    assert.deepEqual(
      await bert.client.from('tags').upsert({ id: 1, name: 'mine' }), violates('tags'))
  })
  it('cannot be written by anon', async () => {
    assert.deepEqual(await anon.from('notes').insert({ body: 'x' }), refused(401, '42501', 'permission denied for table notes'))
  })
  it('that are locked stay, by a restrictive policy', async () => {
    await anna.client.from('notes').update({ locked: true }).eq('id', note)
    assert.deepEqual(await anna.client.from('notes').delete().eq('id', note).select(), ok([]))
    await anna.client.from('notes').update({ locked: false }).eq('id', note)
    assert.deepEqual(await anna.client.from('notes').delete().eq('id', note), ok(null, 204))
  })
})

describe('posts', () => {
  it('published ones are seen by all, own ones by their author', async () => {
    assert.deepEqual(await ids(anon, 'posts'), ok([{ id: 1 }, { id: 2 }, { id: 3 }]))
    assert.deepEqual(await ids(await basalt.signedIn(ada), 'posts'), ok([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 5 }]))
    assert.deepEqual(await ids(await basalt.signedIn(bob), 'posts'), ok([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }]))
    assert.deepEqual(await ids(service, 'posts'), ok([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }, { id: 5 }]))
  })
  it('archived ones are final, by a restrictive policy', async () => {
    const client = await basalt.signedIn(ada)
    assert.deepEqual(await client.from('posts').update({ title: 'x' }).eq('id', 5).select('id'), ok([]))
    assert.deepEqual(await client.from('posts').update({ views: 26 }).eq('id', 2).select('id, views'), ok([{ id: 2, views: 26 }]))
  })
  it('a draft inserted and returned is seen by its author', async () => {
    const answer = await anna.client.from('posts').insert({ title: 'draft' }).select('author_id, status').single()
    assert.deepEqual(answer, ok({ author_id: anna.id, status: 'draft' }, 201))
  })
  it('comments are seen with their post', async () => {
    assert.deepEqual(await ids(anon, 'comments'), ok([{ id: 1 }, { id: 2 }, { id: 3 }]))
    assert.deepEqual(await ids(await basalt.signedIn(bob), 'comments'), ok([{ id: 1 }, { id: 2 }, { id: 3 }, { id: 4 }]))
  })
  it('cannot be commented where they are not seen', async () => {
    assert.deepEqual(await anna.client.from('comments').insert({ post_id: 4, body: 'x' }), violates('comments'))
    assert.deepEqual(
      await anna.client.from('comments').insert({ post_id: 3, body: 'x' }).select('post_id, author_id'), ok([{ post_id: 3, author_id: anna.id }], 201))
  })
  it('are tagged by their author only', async () => {
    assert.deepEqual(await anna.client.from('post_tags').insert({ post_id: 3, tag_id: 3 }), violates('post_tags'))
    const client = await basalt.signedIn(bob)
    assert.deepEqual(await client.from('post_tags').insert({ post_id: 3, tag_id: 3 }), ok(null, 201))
  })
})

describe('profiles', () => {
  it('follow the sign-up', async () => {
    assert.deepEqual(await anon.from('profiles').select('id, username').eq('id', anna.id), ok([{ id: anna.id, username: 'anna' }]))
  })
  it('are changed by their user only', async () => {
    assert.deepEqual(await anna.client.from('profiles').update({ website: 'https://anna.example' }).eq('id', anna.id).select('website'),
      ok([{ website: 'https://anna.example' }]))
    assert.deepEqual(await bert.client.from('profiles').update({ website: 'x' }).eq('id', anna.id).select('website'), ok([]))
  })
  it('cannot be inserted where no policy allows it', async () => {
    assert.deepEqual(await anna.client.from('profiles').insert({ id: anna.id, username: 'second' }), violates('profiles'))
  })
})

describe('tables', () => {
  it('without a policy show nothing but to the service role', async () => {
    assert.deepEqual(await ids(anon, 'audit'), ok([]))
    assert.deepEqual(await ids(anna.client, 'audit'), ok([]))
    assert.deepEqual(await ids(service, 'audit'), ok([{ id: 1 }]))
  })
  it('without a grant refuse', async () => {
    assert.deepEqual(await ids(anon, 'vault'), refused(401, '42501', 'permission denied for table vault'))
    assert.deepEqual(await ids(anna.client, 'vault'), refused(403, '42501', 'permission denied for table vault'))
    assert.deepEqual(await ids(service, 'vault'), ok([{ id: 1 }]))
  })
})
