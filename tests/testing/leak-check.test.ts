import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { Worker } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/core/index.ts'
import { leakCheck } from '../../src/testing/index.ts'

/** Few turns: what these tests leave behind they leave on purpose. */
const HASTY = { turns: 3 }

/** What is found while `hold` holds something, and after it let go. */
async function found(hold: () => Promise<() => Promise<unknown>>) {
  const check = leakCheck(HASTY)
  const patient = leakCheck()
  const letGo = await hold()
  const during = await check.leftovers()
  await letGo()
  return { during: during.join('\n'), after: await patient.leftovers() }
}

describe('the leak check', () => {
  it('finds nothing where nothing was left', async () => {
    expect(await leakCheck().leftovers()).toEqual([])
  })

  it('finds a timer that is still armed', async () => {
    const { during, after } = await found(async () => {
      const timer = systemClock.setTimer(60_000, () => {})
      return async () => timer.cancel()
    })
    expect(during).toMatch(/1 × Timeout: a timer/)
    expect(after).toEqual([])
  })

  it('finds a server and the sockets connected to it', async () => {
    const { during, after } = await found(async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const address = server.address()
      if (address === null || typeof address === 'string') throw new Error('no port')
      const socket = connect(address.port, '127.0.0.1')
      const [peer] = await once(server, 'connection')
      return async () => {
        socket.destroy()
        peer.destroy()
        await new Promise((resolve) => server.close(resolve))
      }
    })
    expect(during).toMatch(/1 × TCPServerWrap/)
    expect(during).toMatch(/2 × TCPSocketWrap/)
    expect(after).toEqual([])
  })

  it('finds a worker thread', async () => {
    const { during, after } = await found(async () => {
      const worker = new Worker('require("node:worker_threads").parentPort.on("message", () => {})', {
        eval: true,
      })
      await once(worker, 'online')
      return () => worker.terminate()
    })
    expect(during).toMatch(/1 × worker thread/)
    expect(after).toEqual([])
  })

  it('finds a child process', async () => {
    const { during, after } = await found(async () => {
      const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], {
        stdio: ['pipe', 'ignore', 'ignore'],
      })
      await once(child, 'spawn')
      return () => {
        const gone = once(child, 'exit')
        child.kill('SIGKILL')
        return gone
      }
    })
    expect(during).toMatch(/1 × ProcessWrap: a child process/)
    expect(after).toEqual([])
  })

  it('finds a listener on the process', async () => {
    const { during, after } = await found(async () => {
      const listener = () => {}
      process.on('SIGUSR2', listener)
      return async () => process.off('SIGUSR2', listener)
    })
    expect(during).toMatch(/1 × listener on process "SIGUSR2"/)
    expect(after).toEqual([])
  })

  it('waits for a handle that is closing', async () => {
    const check = leakCheck()
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    systemClock.setTimer(50, () => server.close())
    expect(await check.leftovers()).toEqual([])
  })

  it('does not count what it is told to ignore', async () => {
    const check = leakCheck({ ...HASTY, ignore: ['Timeout'] })
    const timer = systemClock.setTimer(60_000, () => {})
    expect(await check.leftovers()).toEqual([])
    timer.cancel()
  })
})
