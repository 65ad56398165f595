// Users as the service role sees them.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ada, authError, bob, facts, masked } from './basalt.mjs'

let basalt, admin
before(async () => {
  basalt = await Basalt.start()
  admin = basalt.service().auth.admin
})
after(() => basalt?.stop())

/** A user made by the admin: confirmed, never signed in. */
const created = (email, more = {}) => ({
  id: '<user>', aud: 'authenticated', role: 'authenticated', email, email_confirmed_at: '<time>', phone: '', confirmed_at: '<time>',
  app_metadata: { provider: 'email', providers: ['email'] }, user_metadata: { email_verified: true },
  identities: [{
    identity_id: '<uuid>', id: '<user>', user_id: '<user>',
    identity_data: { email, email_verified: false, phone_verified: false, sub: '<user>' },
    provider: 'email', last_sign_in_at: '<time>', created_at: '<time>', updated_at: '<time>', email,
  }],
  created_at: '<time>', updated_at: '<time>', is_anonymous: false, ...more,
})
const make = async (name, more = {}) => {
  const { data, error } = await admin.createUser({ email: `${name}@example.com`, password: 'a good one', email_confirm: true, ...more })
  assert.deepEqual(facts(error), null)
  return data.user
}
const unknown = '00000000-0000-4000-8000-0000000000ff'
const userNotFound = authError(404, 'user_not_found', 'User not found')

describe('create', () => {
  it('a confirmed user who can sign in', async () => {
    const user = await make('ann', { user_metadata: { username: 'ann1' }, app_metadata: { plan: 'free' } })
    const expected = created('ann@example.com')
    expected.user_metadata.username = 'ann1'
    expected.app_metadata.plan = 'free'
    assert.deepEqual(masked(user, { user: user.id }), expected)
    const { error } = await basalt.anon().auth.signInWithPassword({ email: 'ann@example.com', password: 'a good one' })
    assert.deepEqual(facts(error), null)
  })
  it('an unconfirmed user who cannot', async () => {
    await make('ben', { email_confirm: false })
    const { error } = await basalt.anon().auth.signInWithPassword({ email: 'ben@example.com', password: 'a good one' })
    assert.deepEqual(facts(error), authError(400, 'email_not_confirmed', 'Email not confirmed'))
  })
  it('a taken address is refused', async () => {
    const { error } = await admin.createUser({ email: ada.email, password: 'a good one' })
    assert.deepEqual(facts(error), authError(422, 'email_exists', 'A user with this email address has already been registered'))
  })
})

describe('list', () => {
  it('has pages, newest first', async () => {
    const first = await admin.listUsers({ page: 1, perPage: 1 })
    assert.deepEqual(facts(first.error), null)
    const { users, ...rest } = first.data
    assert.equal(users.length, 1)
    assert.deepEqual(rest, { aud: 'authenticated', nextPage: 2, lastPage: rest.total, total: rest.total })
    const all = await admin.listUsers({ page: 1, perPage: 100 })
    assert.equal(all.data.users.length, rest.total)
    assert.equal(all.data.nextPage, null)
    assert.deepEqual(all.data.users.slice(-2).map(({ id }) => id), [bob.id, ada.id])
    assert.equal(all.data.users[0].id, users[0].id)
  })
})

describe('get', () => {
  it('a user of the seed', async () => {
    const { data, error } = await admin.getUserById(ada.id)
    assert.deepEqual(facts(error), null)
    const { identities: [identity], ...user } = data.user
    assert.deepEqual(masked(user), {
      id: '<uuid>', aud: 'authenticated', role: 'authenticated', email: ada.email, email_confirmed_at: '<time>', phone: '', confirmed_at: '<time>',
      app_metadata: { provider: 'email', providers: ['email'] }, user_metadata: { username: 'ada', full_name: 'Ada Lovelace' },
      created_at: '<time>', updated_at: '<time>', is_anonymous: false,
    })
    assert.deepEqual(masked(identity, { user: ada.id }), {
      identity_id: '<uuid>', id: '<user>', user_id: '<user>', identity_data: { sub: '<user>', email: ada.email },
      provider: 'email', last_sign_in_at: '<time>', created_at: '<time>', updated_at: '<time>', email: ada.email,
    })
  })
  it('an unknown user', async () => {
    const { data, error } = await admin.getUserById(unknown)
    assert.deepEqual(facts(error), userNotFound)
    assert.deepEqual(data, { user: null })
  })
})

describe('update', () => {
  it('metadata is merged, the address replaced', async () => {
    const { id } = await make('cem', { user_metadata: { a: 1, b: 2 } })
    const { data, error } = await admin.updateUserById(id, { user_metadata: { b: 3 }, app_metadata: { plan: 'paid' }, email: 'cem2@example.com', email_confirm: true })
    assert.deepEqual(facts(error), null)
    assert.deepEqual(
      [data.user.email, data.user.user_metadata, data.user.app_metadata],
      ['cem2@example.com', { a: 1, b: 3, email_verified: true }, { provider: 'email', providers: ['email'], plan: 'paid' }])
  })
  it('a ban ends sign-in and refresh until lifted', async () => {
    const { id, email, password, client } = await basalt.signedUp('dana')
    const banned = await admin.updateUserById(id, { ban_duration: '24h' })
    assert.equal(masked(banned.data.user).banned_until, '<time>')
    const { error } = await basalt.anon().auth.signInWithPassword({ email, password })
    assert.deepEqual(facts(error), authError(400, 'user_banned', 'User is banned'))
    assert.deepEqual(facts((await client.auth.refreshSession()).error), authError(400, 'user_banned', 'Invalid Refresh Token: User Banned'))
    await admin.updateUserById(id, { ban_duration: 'none' })
    assert.deepEqual(facts((await basalt.anon().auth.signInWithPassword({ email, password })).error), null)
  })
  it('an unknown user', async () => {
    assert.deepEqual(facts((await admin.updateUserById(unknown, { password: 'a good one' })).error), userNotFound)
  })
})

describe('delete', () => {
  it('takes the user and what hangs on it', async () => {
    const { id, client } = await basalt.signedUp('emil')
    await client.from('notes').insert({ body: 'gone soon' })
    // The server answers {}; this client reads the user first and gives that.
    const { data: before } = await admin.getUserById(id)
    const { data, error } = await admin.deleteUser(id)
    assert.deepEqual(facts(error), null)
    assert.deepEqual(data, before)
    assert.deepEqual(facts((await admin.getUserById(id)).error), userNotFound)
    const { data: notes } = await basalt.service().from('notes').select().eq('owner', id)
    assert.deepEqual(notes, [])
    const { data: profiles } = await basalt.service().from('profiles').select().eq('id', id)
    assert.deepEqual(profiles, [])
  })
  it('an unknown user', async () => assert.deepEqual(facts((await admin.deleteUser(unknown)).error), userNotFound))
})

describe('others', () => {
  it('with the publishable key are refused', async () => {
    const { error } = await basalt.anon().auth.admin.listUsers()
    assert.deepEqual(facts(error), authError(403, 'not_admin', 'User not allowed'))
  })
  it('with a user\'s token are refused', async () => {
    const { session } = await basalt.signedUp('fred')
    const { status, body } = await basalt.auth('GET', '/admin/users', { token: session.access_token })
    assert.deepEqual({ status, body }, { status: 403, body: { code: 'not_admin', message: 'User not allowed' } })
  })
})
