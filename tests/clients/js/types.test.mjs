// `basalt gen types typescript`, and an application on what it prints, compiled under `strict`.
import { execFile } from 'node:child_process'
import assert from 'node:assert/strict'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Basalt, program } from './basalt.mjs'

const here = new URL('.', import.meta.url).pathname
const run = promisify(execFile)
const isPostgres = Boolean(process.env.BASALT_TEST_DATABASES)

describe('generated types', { skip: process.env.BASALT_TEST_URL ? 'the server is not ours to ask' : false }, () => {
  let basalt, folder
  before(async () => {
    basalt = await Basalt.start({ migration: isPostgres ? ['typescript', 'typescript_functions'] : ['typescript'] })
    folder = await mkdtemp(join(tmpdir(), 'basalt-types-'))
    await cp(join(here, 'types'), folder, { recursive: true })
    await symlink(join(here, '../node_modules'), join(folder, 'node_modules'))
  })
  after(async () => {
    await basalt?.stop()
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  const generate = (...more) => run(program, ['gen', 'types', '--project', basalt.folder, ...more], { maxBuffer: 1 << 24 })

  async function compile(file) {
    const { stdout } = await generate('typescript', '--local')
    await writeFile(join(folder, 'database.ts'), stdout)
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--moduleResolution', 'nodenext', '--allowImportingTsExtensions', '--skipLibCheck']
    const outcome = await run(join(here, '../node_modules/.bin/tsc'), [...options, file], { cwd: folder }).catch((error) => error)
    assert.equal(outcome.stdout, '')
    assert.equal(outcome.code ?? 0, 0)
  }

  it('compile in an application under strict', () => compile('app.ts'))

  if (isPostgres) it('show functions as rpc takes them', () => compile('functions.ts'))

  it('hold the schemas that are asked for, in any of the usual forms', async () => {
    const [one, other] = await Promise.all([generate('typescript', '--schema', 'public,auth'), generate('--lang=typescript', '-s', 'auth', '-s', 'public')])
    assert.equal(one.stdout, other.stdout)
    assert.match(one.stdout, /^ {2}auth: \{$/m)
    assert.match(one.stdout, /^ {6}users: \{$/m)
  })

  it('name a schema that is not there', async () => {
    const failure = await generate('typescript', '--schema', 'nowhere').catch((error) => error)
    assert.equal(failure.code, 1)
    assert.match(failure.stderr, /there is no schema nowhere/)
  })
})
