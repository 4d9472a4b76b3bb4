/**
 * Code in a thread of the worker's process: ended by force when it must, with a heap limit of its own, its output taken.
 * What it cannot keep apart: a crash of native code takes the worker along, the working directory is the worker's, and
 * what programs that it starts print to an inherited stream goes to the worker's.
 */

import { finished } from 'node:stream/promises'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import { type Deps, settlesWithin } from '../../core/index.ts'
import {
  type Carrier,
  type CarrierEvents,
  type CodePlan,
  type Exit,
  type Infrastructure,
  KILL_MS,
} from './carrier.ts'
import { codeEntry } from './entry.ts'

export function threads(deps: Pick<Deps, 'clock'>): Infrastructure {
  return {
    kind: 'thread',
    start: async (plan, events) => new ThreadCarrier(deps, plan, events),
  }
}

class ThreadCarrier implements Carrier {
  readonly #deps: Pick<Deps, 'clock'>
  readonly #worker: Worker
  readonly #thread: number
  readonly #port: MessageChannel['port1']
  readonly #exited: Promise<Exit>

  constructor(deps: Pick<Deps, 'clock'>, plan: CodePlan, events: CarrierEvents) {
    const { port1, port2 } = new MessageChannel()
    this.#deps = deps
    this.#port = port1
    this.#worker = new Worker(codeEntry('thread'), {
      workerData: port2,
      transferList: [port2],
      env: { ...process.env, ...plan.env },
      stdout: true,
      stderr: true,
      ...(plan.memoryMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: plan.memoryMb } }),
    })
    this.#thread = this.#worker.threadId
    this.#port.on('message', (text) => events.message(String(text)))
    for (const stream of ['stdout', 'stderr'] as const)
      this.#worker[stream].on('data', (bytes: Uint8Array) => events.output(stream, bytes))
    this.#exited = this.#untilExited()
    void this.#exited.then((exit) => {
      this.#readRest(events)
      events.exited(exit)
    })
  }

  send(text: string): void {
    this.#port.postMessage(text)
  }

  /** The code has its message; a thread has no other ear. */
  stop(): void {}

  async kill(): Promise<'gone' | 'abandoned'> {
    void this.#worker.terminate()
    if (await settlesWithin(this.#deps.clock, KILL_MS, this.#exited)) return 'gone'
    this.#port.close() // it is inside a call of native code, which nothing can interrupt; it is heard no more
    return 'abandoned'
  }

  describe() {
    return { infrastructure: 'thread', pid: process.pid, thread: this.#thread }
  }

  async #untilExited(): Promise<Exit> {
    let thrown: { readonly error: unknown } | undefined
    this.#worker.on('error', (error) => {
      thrown ??= { error }
    })
    const code = await new Promise<number>((resolve) => this.#worker.once('exit', resolve))
    const { stdout, stderr } = this.#worker
    await Promise.allSettled([finished(stdout), finished(stderr)])
    return thrown === undefined ? { is: 'code', code } : { is: 'error', error: thrown.error }
  }

  /** The thread's end overtakes what it has sent. */
  #readRest(events: CarrierEvents): void {
    for (;;) {
      const received: { message: unknown } | undefined = receiveMessageOnPort(this.#port)
      if (received === undefined) break
      events.message(String(received.message))
    }
    this.#port.close()
  }
}
