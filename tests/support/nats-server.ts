/**
 * Real nats-servers for tests and benches, on free loopback ports, each with a folder of its own.
 *
 *     await using server = await startNats()
 *     const broker = natsBroker(server.url, …)
 *     await server.kill(); await server.start()     // same port, same folder
 *
 * Invariants
 * (S1) A server that was started here is ended by its pid, at the latest when this process exits.
 * (S2) A handle keeps its port and folder over stops, kills and starts, until it is disposed.
 * (S3) `start` resolves when the server itself says that it is ready; nothing here sleeps.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { findOrInstall } from '../../scripts/brokers.ts'

export interface NatsOptions {
  /** More lines of configuration: accounts, TLS, limits. */
  readonly config?: string
  /** `false`: a server without JetStream. Default `true`. */
  readonly jetstream?: boolean
  /** Lines inside of the `jetstream` block. Default: room for 16 GB on disk. */
  readonly jetstreamConfig?: string
}

export interface NatsServer extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Where its configuration and its store are. */
  readonly folder: string
  readonly pid: number
  /** Starts it again after `stop` or `kill`. */
  start(options?: { readonly wipe?: boolean; readonly config?: string }): Promise<void>
  /** SIGTERM, and waits until it is gone. */
  stop(): Promise<void>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP, and waits until it stands still: it keeps its connections and answers nothing. */
  pause(): Promise<void>
  /** SIGCONT. */
  resume(): void
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts a server and resolves when it takes connections. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const server = await makeServer(options, '')
  await server.start()
  return server
}

/** Starts servers that know each other and resolves when each takes connections. */
export async function startNatsCluster(size = 3): Promise<readonly NatsServer[] & AsyncDisposable> {
  const ports = await Promise.all(Array.from({ length: size }, freePort))
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ')
  const servers = await Promise.all(
    ports.map((port, i) =>
      makeServer(
        {},
        `server_name: n${i + 1}\ncluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
      ),
    ),
  )
  await Promise.all(servers.map((server) => server.start()))
  return Object.assign(servers, {
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    },
  })
}

async function makeServer(options: NatsOptions, clusterConfig: string): Promise<NatsServer> {
  const found = await findOrInstall('nats-server')
  if (found.how === 'compose')
    throw new Error('These tests stop and kill the server; they need the program nats-server itself.')
  const folder = await mkdtemp(join(tmpdir(), 'callboard-nats-'))
  const port = await freePort()
  let extra = options.config ?? ''
  let child: ChildProcess | undefined

  function configText(): string {
    const store = `store_dir: "${join(folder, 'store')}"`
    const limits = options.jetstreamConfig ?? 'max_file_store: 16GB, max_memory_store: 256MB'
    const jetstream = options.jetstream === false ? '' : `jetstream { ${store}, ${limits} }`
    return [`listen: "127.0.0.1:${port}"`, jetstream, clusterConfig, extra].join('\n')
  }

  async function end(signal: NodeJS.Signals): Promise<void> {
    const ending = child
    if (!ending) return
    const gone = once(ending, 'exit')
    ending.kill(signal)
    ending.kill('SIGCONT')
    await gone
  }

  const server: NatsServer = {
    port,
    url: `nats://127.0.0.1:${port}`,
    folder,
    get pid() {
      if (child?.pid === undefined) throw new Error('this server does not run')
      return child.pid
    },
    async start({ wipe = false, config } = {}) {
      if (child) throw new Error('this server runs already')
      if (wipe) await rm(join(folder, 'store'), { recursive: true, force: true })
      extra = config ?? extra
      await writeFile(join(folder, 'server.conf'), configText())
      const starting = spawn(found.program, ['--config', join(folder, 'server.conf')], {
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      child = starting
      running.add(starting)
      starting.once('exit', () => {
        running.delete(starting)
        child = undefined
      })
      await readiness(starting)
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async pause() {
      const { pid } = server
      process.kill(pid, 'SIGSTOP')
      while (!(await stateOf(pid)).startsWith('T'));
    },
    resume: () => process.kill(server.pid, 'SIGCONT'),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
  return server
}

/** The process's state as `ps` shows it: `T…` when it is stopped. */
async function stateOf(pid: number): Promise<string> {
  return (await promisify(execFile)('ps', ['-o', 'stat=', '-p', String(pid)])).stdout.trim()
}

/** Reads the server's own log until it says that it is ready; keeps the pipe flowing afterwards. */
function readiness(child: ChildProcess): Promise<void> {
  const { stderr } = child
  if (!stderr) throw new Error('the server has no stderr')
  const said: string[] = []
  return new Promise((resolve, reject) => {
    createInterface({ input: stderr }).on('line', (line) => {
      if (said.length < 200) said.push(line)
      if (line.includes('Server is ready')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`nats-server ended while starting:\n${said.join('\n')}`)))
  })
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise<void>((resolve) => probe.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new Error('the probe has no port')
  return address.port
}
