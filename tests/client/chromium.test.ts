/** A page in a real browser that follows a run with the client, from another origin than the gateway's. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { RunView } from '../../src/client/index.ts'
import { openStage } from '../gateway/live/support/stage.ts'
import { startGateway } from '../gateway/support/gateway.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const BROWSER = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)

/** Draws the run as it goes, and says what it had in the end. */
const page = (gateway: string, run: string) => `<!doctype html><title>A run</title><pre id="run"></pre>
<script type="module">
  import { createClient } from '/client/index.js'
  const store = createClient({ url: '${gateway}' }).flowRuns.store('${run}')
  store.subscribe(() => {
    const view = store.getSnapshot()
    document.querySelector('#run').textContent = view.lines.map(({ message }) => message).join('\\n')
    if (view.status === 'ended') fetch('/seen', { method: 'POST', body: JSON.stringify(view) })
  })
</script>`

test.skipIf(BROWSER === undefined)(
  'a page in a browser follows a run to its end',
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'callboard-page-'))
    const seen = Promise.withResolvers<RunView>()
    let html = ''
    const server = createServer(async (request, response) => {
      if (request.url === '/seen') {
        let text = ''
        for await (const chunk of request) text += chunk
        seen.resolve(JSON.parse(text))
        response.end()
      } else if (request.url === '/') response.setHeader('content-type', 'text/html').end(html)
      else {
        const path = normalize(join(folder, request.url ?? ''))
        const code = path.startsWith(folder) ? await readFile(path).catch(() => undefined) : undefined
        if (code === undefined) response.writeHead(404).end()
        else response.setHeader('content-type', 'text/javascript').end(code)
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    execFileSync(
      join(ROOT, 'node_modules/.bin/tsc'),
      ['-p', 'tsconfig.build.json', '--outDir', folder, '--noCheck'],
      { cwd: ROOT },
    )

    await using stage = await openStage()
    await using gateway = await startGateway({
      broker: stage.broker,
      settings: { serverCorsOrigins: [origin] },
    })
    const run = await stage.play(async (session) => {
      await session.task({ task: 'greet' }, async () => {
        await session.note('log', { lines: [{ at: 5, level: 'info', message: 'hello, browser' }] })
        return 1
      })
      return 'shown'
    })
    html = page(gateway.url, run)
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      `--user-data-dir=${join(folder, 'profile')}`,
    ]
    const browser = spawn(BROWSER ?? '', [...flags, origin], { stdio: 'ignore', detached: true })
    try {
      const view = await seen.promise
      expect(view).toMatchObject({ run: { id: run, state: { type: 'COMPLETED', data: 'shown' } }, gaps: 0 })
      expect(view.lines.map(({ message }) => message)).toEqual(['hello, browser'])
      expect(view.taskRuns.map(({ state }) => state.type)).toEqual(['COMPLETED'])
    } finally {
      const gone = once(browser, 'close')
      process.kill(-(browser.pid ?? 0), 'SIGKILL')
      await gone
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    }
  },
)
