// The README's snippet, exactly as it stands there, in an empty folder, against the example project.
import { execFile, spawn } from 'node:child_process'
import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'

const root = new URL('../../../', import.meta.url).pathname
const program = process.env.BASALT_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/basalt')

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

it('the README does what it says', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const [, snippet] = readme.match(/```js\n([\s\S]*?)```/)
  const folder = await mkdtemp(join(tmpdir(), 'basalt-readme-'))
  const port = await freePort()
  await cp(join(root, 'examples/todo'), join(folder, 'project'), { recursive: true, filter: (path) => !path.endsWith('/.basalt') })
  const server = spawn(program, ['serve', '--project', join(folder, 'project'), '--listen', `127.0.0.1:${port}`], { stdio: 'ignore' })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  try {
    const deadline = Date.now() + 60_000
    while (Date.now() < deadline && !(await fetch(`http://127.0.0.1:${port}/health`).then((r) => r.ok, () => false))) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await symlink(join(root, 'tests/clients/node_modules'), join(folder, 'node_modules'))
    await writeFile(join(folder, 'try.mjs'), snippet)
    // The README names the default port, which may be taken here: only that address is led elsewhere, the text stays as it is.
    await writeFile(join(folder, 'port.mjs'), `const original = globalThis.fetch
globalThis.fetch = (address, ...rest) => original(typeof address === 'string' ? address.replace('127.0.0.1:54321', '127.0.0.1:${port}') : address, ...rest)`)
    const flags = Number(process.versions.node.split('.')[0]) < 22 ? ['--experimental-websocket', '--no-warnings'] : []
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, '--import', './port.mjs', 'try.mjs'], { cwd: folder })
    assert.equal(
      stdout,
      `anon gets null permission denied for table todos
inserted { title: 'Try Basalt', done: false }
read back [{"title":"Try Basalt","profiles":{"display_name":"Alice"}}]
`)
  } finally {
    server.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
})
