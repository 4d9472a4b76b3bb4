/**
 * A handle that outlives the engine it came from: each call finds a broker to ask, that of the run it is made in, else
 * that of this process's engine, which stays for as long as the call takes.
 */

import { atBroker } from './at-broker.ts'
import type { FlowRunHandle } from './handle.ts'
import { RunClient } from './run-client.ts'

export function openHandle<R>(run: string): FlowRunHandle<R> {
  const ask = <T>(work: (handle: FlowRunHandle<R>) => Promise<T>): Promise<T> =>
    atBroker((env) => work(new RunClient(env).handle<R>(run)))

  /** The engine is let go when whoever goes through it has had enough. */
  async function* through<T>(open: (handle: FlowRunHandle<R>) => AsyncGenerator<T, void>) {
    const opened = Promise.withResolvers<FlowRunHandle<R>>()
    const over = Promise.withResolvers<void>()
    ask((handle) => {
      opened.resolve(handle)
      return over.promise
    }).catch(opened.reject)
    try {
      yield* open(await opened.promise)
    } finally {
      over.resolve()
    }
  }

  return {
    id: run,
    name: () => ask((handle) => handle.name()),
    state: () => ask((handle) => handle.state()),
    result: (options) => ask((handle) => handle.result(options)),
    wait: (options) => ask((handle) => handle.wait(options)),
    logs: () => through((handle) => handle.logs()),
    events: () => through((handle) => handle.events()),
    pause: (options) => ask((handle) => handle.pause(options)),
    resume: (input, options) => ask((handle) => handle.resume(input, options)),
    cancel: (options) => ask((handle) => handle.cancel(options)),
    retry: (options) => ask((handle) => handle.retry(options)),
    signal: (name, payload, options) => ask((handle) => handle.signal(name, payload, options)),
  }
}
