/** The host, as code sees it that is apart from its worker: each call a message, each answer another. */

import { errorOf, type Failure, type HostCalls, type HostPort } from '../../../actors/index.ts'
import type { Call } from '../protocol.ts'

interface Pending {
  answered(out: unknown): void
  refused(error: unknown): void
}

export class Calls implements HostPort {
  readonly #send: (call: Call<keyof HostCalls>) => void
  readonly #pending = new Map<number, Pending>()
  #count = 0

  constructor(send: (call: Call<keyof HostCalls>) => void) {
    this.#send = send
  }

  call<K extends keyof HostCalls>(kind: K, input: HostCalls[K]['in']): Promise<HostCalls[K]['out']> {
    const id = ++this.#count
    return new Promise((resolve, refused) => {
      this.#pending.set(id, { answered: (out) => resolve(out as HostCalls[K]['out']), refused })
      this.#send({ m: 'call', id, kind, in: input })
    })
  }

  answered(id: number, out: unknown): void {
    this.#take(id)?.answered(out)
  }

  refused(id: number, failure: Failure): void {
    this.#take(id)?.refused(errorOf(failure))
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    return pending
  }
}
