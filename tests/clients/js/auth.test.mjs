// Users and sessions.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Basalt, ada, authError, emailUser, facts, masked } from './basalt.mjs'

let basalt
before(async () => { basalt = await Basalt.start() })
after(() => basalt?.stop())

const session = (user) => ({
  access_token: '<jwt>', token_type: 'bearer', expires_in: 3600, expires_at: '<in an hour>', refresh_token: '<token>', user,
})
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'))
const refresh = (token) => basalt.auth('POST', '/token?grant_type=refresh_token', { body: { refresh_token: token } })
const notFound = { status: 400, body: { code: 'refresh_token_not_found', message: 'Invalid Refresh Token: Refresh Token Not Found' } }

describe('sign-up', () => {
  it('gives a session and a user', async () => {
    const { data, error } = await basalt.anon().auth.signUp({
      email: 'Carla@Example.com', password: 'a good one', options: { data: { username: 'carla', age: 7 } },
    })
    assert.deepEqual(facts(error), null)
    const user = emailUser('carla@example.com', { username: 'carla', age: 7 })
    assert.deepEqual(masked(data, { user: data.user.id }), { user, session: session(user) })
  })
  it('puts the user into the token', async () => {
    const { id, session } = await basalt.signedUp('claimed')
    const { iat, exp, session_id, amr: [{ timestamp, ...method }], ...rest } = claims(session.access_token)
    assert.equal(exp - iat, 3600)
    assert.match(session_id, /^[0-9a-f-]{36}$/)
    assert.ok(Math.abs(timestamp - iat) <= 2)
    assert.deepEqual(method, { method: 'password' })
    assert.deepEqual(rest, {
      iss: `${basalt.url}/auth/v1`, sub: id, aud: 'authenticated', email: 'claimed@example.com', phone: '',
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: { email: 'claimed@example.com', email_verified: true, phone_verified: false, sub: id, username: 'claimed' },
      role: 'authenticated', aal: 'aal1', is_anonymous: false,
    })
  })
  it('of a taken address is refused', async () => {
    const { data, error } = await basalt.anon().auth.signUp({ email: ada.email, password: 'another one' })
    assert.deepEqual(facts(error), authError(422, 'user_already_exists', 'User already registered'))
    assert.deepEqual(data, { user: null, session: null })
  })
  it('with a short password is refused', async () => {
    const { error } = await basalt.anon().auth.signUp({ email: 'short@example.com', password: 'abc' })
    assert.deepEqual({ ...facts(error), reasons: error.reasons }, {
      name: 'AuthWeakPasswordError', status: 422, code: 'weak_password', message: 'Password should be at least 6 characters.', reasons: ['length'],
    })
  })
  it('with a malformed address is refused', async () => {
    const { error } = await basalt.anon().auth.signUp({ email: 'nowhere', password: 'a good one' })
    assert.deepEqual(facts(error), authError(400, 'validation_failed', 'Unable to validate email address: invalid format'))
  })
  it('that its trigger refuses leaves no user', async () => {
    const body = { email: 'no@example.com', password: 'a good one', data: { username: 'no' } }
    const { status, body: answer } = await basalt.auth('POST', '/signup', { body })
    assert.deepEqual({ status, answer }, { status: 500, answer: { code: 'unexpected_failure', message: 'Database error saving new user' } })
    const { error } = await basalt.anon().auth.signInWithPassword({ email: 'no@example.com', password: 'a good one' })
    assert.deepEqual(facts(error), authError(400, 'invalid_credentials', 'Invalid login credentials'))
  })
})

describe('sign-in', () => {
  it('with a password', async () => {
    const { email, password, id } = await basalt.signedUp('dora')
    const { data, error } = await basalt.anon().auth.signInWithPassword({ email, password })
    assert.deepEqual(facts(error), null)
    const user = emailUser(email, { username: 'dora' })
    assert.deepEqual(masked(data, { user: id }), { user, session: session(user) })
  })
  it('with a bcrypt password from elsewhere, twice', async () => {
    for (const _ of [1, 2]) {
      const { data, error } = await basalt.anon().auth.signInWithPassword({ email: ada.email, password: ada.password })
      assert.deepEqual(facts(error), null)
      assert.equal(data.user.id, ada.id)
    }
  })
  for (const [name, email, password] of [['a wrong password', ada.email, 'wrong horse'], ['an unknown address', 'nobody@example.com', 'wrong horse']]) {
    it(`with ${name} is refused in the same words`, async () => {
      const { data, error } = await basalt.anon().auth.signInWithPassword({ email, password })
      assert.deepEqual(facts(error), authError(400, 'invalid_credentials', 'Invalid login credentials'))
      assert.deepEqual(data, { user: null, session: null })
    })
  }
})

describe('the user', () => {
  it('is read with the token', async () => {
    const { client, id, email } = await basalt.signedUp('edda')
    const { data, error } = await client.auth.getUser()
    assert.deepEqual(facts(error), null)
    assert.deepEqual(masked(data, { user: id }), { user: emailUser(email, { username: 'edda' }) })
  })
  it('is not read with nonsense', async () => {
    const { data, error } = await basalt.anon().auth.getUser('nonsense')
    assert.deepEqual(facts(error), authError(
      403, 'bad_jwt', 'invalid JWT: unable to parse or verify signature, token is malformed: token contains an invalid number of segments'))
    assert.deepEqual(data, { user: null })
  })
  it('is not read with a token of another key', async () => {
    const { session } = await basalt.signedUp('forge')
    const [head, body] = session.access_token.split('.')
    const { error } = await basalt.anon().auth.getUser(`${head}.${body}.${Buffer.alloc(32, 1).toString('base64url')}`)
    assert.deepEqual([error.status, error.code], [403, 'bad_jwt'])
  })
  it('changes its metadata', async () => {
    const { client, id, email } = await basalt.signedUp('fara')
    const { data, error } = await client.auth.updateUser({ data: { theme: 'dark', username: null } })
    assert.deepEqual(facts(error), null)
    const expected = emailUser(email, {}, { identityData: { username: 'fara' } })
    expected.user_metadata.theme = 'dark'
    assert.deepEqual(masked(data, { user: id }), { user: expected })
  })
  it('changes its password', async () => {
    const { client, email, password } = await basalt.signedUp('gina')
    const { error } = await client.auth.updateUser({ password: 'a better one' })
    assert.deepEqual(facts(error), null)
    const old = await basalt.anon().auth.signInWithPassword({ email, password })
    assert.deepEqual(facts(old.error), authError(400, 'invalid_credentials', 'Invalid login credentials'))
    const now = await basalt.anon().auth.signInWithPassword({ email, password: 'a better one' })
    assert.deepEqual(facts(now.error), null)
  })
  it('does not change its password to the same', async () => {
    const { client, password } = await basalt.signedUp('hanna')
    const { error } = await client.auth.updateUser({ password })
    assert.deepEqual(facts(error), authError(422, 'same_password', 'New password should be different from the old password.'))
  })
})

describe('refresh', () => {
  it('gives a new pair', async () => {
    const { client, id, email, session: first } = await basalt.signedUp('ines')
    const { data, error } = await client.auth.refreshSession()
    assert.deepEqual(facts(error), null)
    const user = emailUser(email, { username: 'ines' })
    assert.deepEqual(masked(data, { user: id }), { user, session: session(user) })
    assert.notEqual(data.session.refresh_token, first.refresh_token)
    assert.equal(claims(data.session.access_token).session_id, claims(first.access_token).session_id)
  })
  it('at once from several windows gives all the same', async () => {
    const { session } = await basalt.signedUp('jana')
    const answers = await Promise.all(Array.from({ length: 8 }, () => refresh(session.refresh_token)))
    assert.deepEqual(answers.map(({ status }) => status), Array(8).fill(200))
    assert.equal(new Set(answers.map(({ body }) => body.refresh_token)).size, 1)
  })
  it('with the token before the active one gives the active one', async () => {
    const { session } = await basalt.signedUp('karla')
    const next = await refresh(session.refresh_token)
    const again = await refresh(session.refresh_token)
    assert.deepEqual([again.status, again.body.refresh_token], [200, next.body.refresh_token])
  })
  it('with an unknown token is refused', async () => assert.deepEqual(await refresh('abcdefghijkl'), notFound))
})

describe('sign-out', () => {
  const twice = async (name) => {
    const first = await basalt.signedUp(name)
    const second = basalt.anon()
    const { data } = await second.auth.signInWithPassword(first)
    return { first, second, tokens: [first.session, data.session] }
  }
  const isAlive = async ({ refresh_token }) => {
    const answer = await refresh(refresh_token)
    if (answer.status !== 200) assert.deepEqual(answer, notFound)
    return answer.status === 200
  }
  for (const [scope, alive] of [['local', [false, true]], ['others', [true, false]], ['global', [false, false]]]) {
    it(`of ${scope} ends the right sessions`, async () => {
      const { first, tokens } = await twice(`out-${scope}`)
      const { error } = await first.client.auth.signOut({ scope })
      assert.deepEqual(facts(error), null)
      assert.deepEqual([await isAlive(tokens[0]), await isAlive(tokens[1])], alive)
    })
  }
  it('ends the token for the user at once', async () => {
    const { client, session } = await basalt.signedUp('lara')
    await client.auth.signOut()
    const answer = await basalt.auth('GET', '/user', { token: session.access_token })
    assert.deepEqual(answer, { status: 403, body: { code: 'session_not_found', message: 'Session from session_id claim in JWT does not exist' } })
  })
})

describe('the service', () => {
  it('says what it is', async () => {
    const { status, body: { version, ...rest } } = await basalt.auth('GET', '/health')
    assert.deepEqual({ status, rest }, { status: 200, rest: { name: 'GoTrue', description: 'GoTrue is a user registration and authentication API' } })
    assert.equal(typeof version, 'string')
  })
  it('says what is switched on', async () => {
    const { status, body } = await basalt.auth('GET', '/settings')
    const { external: { email, phone, anonymous_users }, disable_signup, mailer_autoconfirm, phone_autoconfirm } = body
    assert.deepEqual(
      { status, email, phone, anonymous_users, disable_signup, mailer_autoconfirm },
      { status: 200, email: true, phone: false, anonymous_users: false, disable_signup: false, mailer_autoconfirm: true })
    assert.equal(typeof phone_autoconfirm, 'boolean')
  })
  it('publishes no symmetric key', async () => {
    const { status, body: { keys } } = await basalt.auth('GET', '/.well-known/jwks.json')
    assert.equal(status, 200)
    assert.deepEqual(keys.filter(({ kty }) => kty === 'oct'), [])
  })
})
