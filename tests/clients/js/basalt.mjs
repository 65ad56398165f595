// A running Basalt for one test file, and short ways to talk to it.
//
// Each file gets a server of its own on a fresh copy of tests/projects/blog, so that files neither wait for nor disturb each other.
// With BASALT_TEST_URL, BASALT_TEST_ANON_KEY and BASALT_TEST_SERVICE_KEY set, the suites run against that server instead: the same
// project on the original stack says whether the expectations are right. With BASALT_TEST_DATABASES, a folder that private-postgres
// filled, each server gets an empty PostgreSQL database.
import { createClient } from '@supabase/supabase-js'
import { execFile, spawn } from 'node:child_process'
import { cp, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root = new URL('../../../', import.meta.url).pathname
export const program = process.env.BASALT_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/basalt')

// The seed's users.
export const ada = { id: '00000000-0000-4000-8000-00000000000a', email: 'ada@example.com', password: 'correct horse' }
export const bob = { id: '00000000-0000-4000-8000-00000000000b', email: 'bob@example.com', password: 'battery staple' }

/** The arguments that serve an empty database; taking its file away makes it ours. */
async function freshDatabase(folder) {
  const databases = process.env.BASALT_TEST_DATABASES
  if (!databases) return []
  for (const name of await readdir(databases)) {
    if (!/^[0-9]+$/.test(name)) continue
    const taken = join(folder, 'database')
    if (await rename(join(databases, name), taken).then(() => true, () => false)) return ['--database', await readFile(taken, 'utf8')]
  }
  throw new Error(`no database is left in ${databases}`)
}

export class Basalt {
  /** `migration`: a file of tests/fixtures to apply behind the project's own, or several; `env`: settings. */
  static async start({ migration, env } = {}) {
    const basalt = new Basalt()
    if (process.env.BASALT_TEST_URL) {
      basalt.url = process.env.BASALT_TEST_URL
      basalt.anonKey = process.env.BASALT_TEST_ANON_KEY
      basalt.serviceKey = process.env.BASALT_TEST_SERVICE_KEY
      return basalt
    }
    basalt.folder = await mkdtemp(join(tmpdir(), 'basalt-js-'))
    await cp(join(root, 'tests/projects/blog'), basalt.folder, { recursive: true, filter: (path) => !path.endsWith('/.basalt') })
    for (const [at, name] of [migration ?? []].flat().entries()) {
      await cp(join(root, `tests/fixtures/${name}.sql`), join(basalt.folder, `supabase/migrations/2026010300000${at}_${name}.sql`))
    }
    const database = await freshDatabase(basalt.folder)
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      basalt.url = `http://127.0.0.1:${port}`
      basalt.log = ''
      basalt.process = spawn(program, ['serve', '--project', basalt.folder, '--listen', `127.0.0.1:${port}`, ...database], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
      basalt.process.on('error', (error) => { basalt.log += `${error}\n` })
      for (const stream of [basalt.process.stdout, basalt.process.stderr]) stream.on('data', (part) => { basalt.log += part })
      if (await basalt.#isReady()) break
      const isTaken = basalt.log.includes('in use')
      await basalt.stop(isTaken && attempt < 5)
      if (!isTaken || attempt === 5) throw new Error(`Basalt did not start:\n${basalt.log}`)
    }
    const { stdout } = await promisify(execFile)(program, ['status', '--project', basalt.folder, '-o', 'env'])
    const settings = Object.fromEntries([...stdout.matchAll(/^(\w+)="?([^"\n]*)"?$/gm)].map(([, name, value]) => [name, value]))
    basalt.anonKey = settings.ANON_KEY
    basalt.serviceKey = settings.SERVICE_ROLE_KEY
    return basalt
  }

  async #isReady() {
    const deadline = Date.now() + 60_000
    while (Date.now() < deadline && this.process.exitCode === null && this.process.pid !== undefined) {
      const answer = await fetch(`${this.url}/health/ready`).catch(() => null)
      await answer?.arrayBuffer()
      if (answer?.status === 200) return true
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return false
  }

  async stop(keepFolder = false) {
    if (this.process?.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null) {
      const ended = new Promise((resolve) => this.process.once('exit', resolve))
      this.process.kill('SIGTERM')
      await ended
    }
    if (this.folder && !keepFolder) await rm(this.folder, { recursive: true, force: true })
  }

  client(key) {
    return createClient(this.url, key, { auth: { persistSession: false, autoRefreshToken: false, detectSessionInUrl: false } })
  }

  anon() {
    return this.client(this.anonKey)
  }

  service() {
    return this.client(this.serviceKey)
  }

  /** A client signed in as an existing user. */
  async signedIn({ email, password }) {
    const client = this.anon()
    const { error } = await client.auth.signInWithPassword({ email, password })
    if (error) throw error
    return client
  }

  /** A client signed in as a new user, whose name is the part before the @. */
  async signedUp(name) {
    const client = this.anon()
    const { data, error } = await client.auth.signUp({ email: `${name}@example.com`, password: `${name} secret`, options: { data: { username: name } } })
    if (error) throw error
    return { client, id: data.user.id, email: `${name}@example.com`, password: `${name} secret`, session: data.session }
  }

  /** A bare request of the auth API: status and JSON body. */
  async auth(method, path, { key = this.anonKey, token = key, body } = {}) {
    const headers = { apikey: key, authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-supabase-api-version': '2024-01-01' }
    const answer = await fetch(`${this.url}/auth/v1${path}`, { method, headers, body: body && JSON.stringify(body) })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) }
  }
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

const reasons = {
  200: 'OK', 201: 'Created', 204: 'No Content', 206: 'Partial Content', 300: 'Multiple Choices', 400: 'Bad Request', 401: 'Unauthorized',
  403: 'Forbidden', 404: 'Not Found', 406: 'Not Acceptable', 409: 'Conflict', 416: 'Range Not Satisfiable',
}

/** What postgrest-js gives for a success. */
export function ok(data, status = 200, count = null) {
  return { success: true, error: null, data, count, status, statusText: reasons[status] }
}

/** What postgrest-js gives for an error body of PostgREST's form. */
export function refused(status, code, message, details = null, hint = null) {
  return { success: false, error: { code, details, hint, message }, data: null, count: null, status, statusText: reasons[status] }
}

/** The facts of an error of auth-js. */
export function facts(error) {
  return error && { name: error.name, status: error.status, code: error.code, message: error.message }
}

export function authError(status, code, message) {
  return { name: 'AuthApiError', status, code, message }
}

/**
 * The value with what is generated replaced by its kind, so that the whole can be compared: `known` values by their names,
 * other UUIDs, times, tokens.
 */
export function masked(value, known = {}) {
  if (Array.isArray(value)) return value.map((each) => masked(each, known))
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => {
      if (key === 'refresh_token' && typeof each === 'string' && each.length >= 12) return [key, '<token>']
      if (key === 'expires_at' && Number.isInteger(each)) return [key, Math.abs(each - Date.now() / 1000 - 3600) < 60 ? '<in an hour>' : each]
      return [key, masked(each, known)]
    }))
  }
  if (typeof value !== 'string') return value
  for (const [name, text] of Object.entries(known)) if (text === value) return `<${name}>`
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) return '<uuid>'
  if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$/.test(value)) return '<time>'
  if (/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) return '<jwt>'
  return value
}

/** A confirmed e-mail user as the API shows it, masked with `{ user: id }`. */
export function emailUser(email, data = {}, { identityData = data, ...more } = {}) {
  return {
    id: '<user>', aud: 'authenticated', role: 'authenticated', email, email_confirmed_at: '<time>', phone: '',
    confirmed_at: '<time>', last_sign_in_at: '<time>', app_metadata: { provider: 'email', providers: ['email'] },
    user_metadata: { email, email_verified: true, phone_verified: false, sub: '<user>', ...data },
    identities: [{
      identity_id: '<uuid>', id: '<user>', user_id: '<user>',
      identity_data: { email, email_verified: false, phone_verified: false, sub: '<user>', ...identityData },
      provider: 'email', last_sign_in_at: '<time>', created_at: '<time>', updated_at: '<time>', email,
    }],
    created_at: '<time>', updated_at: '<time>', is_anonymous: false, ...more,
  }
}
