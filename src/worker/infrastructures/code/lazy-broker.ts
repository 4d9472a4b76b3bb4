/**
 * The broker of code that is apart from its worker. What most runs do goes over the channel; only caches, locks, and
 * signals to other runs need a connection of their own, so it is made when the first of them does.
 */

import { type Broker, openBroker } from '../../../broker/index.ts'
import { CallboardError, type Deps } from '../../../core/index.ts'

/** @throws CB_E_BROKER_UNREACHABLE, with its first use, when there is none to be had */
export function lazyBroker(url: string | null, deps: Deps): Broker {
  let opening: Promise<Broker> | undefined
  let opened: Broker | undefined
  const open = () => {
    opening ??= openNow()
    return opening
  }
  async function openNow(): Promise<Broker> {
    if (url === null || url.startsWith('memory:'))
      throw new CallboardError(
        'CB_E_BROKER_UNREACHABLE',
        "The worker's broker lives in the worker's memory: code in a thread or a process of its own cannot reach it. Use another broker, or the inline infrastructure.",
      )
    const broker = await openBroker(url, deps)
    await broker.start()
    opened = broker
    return broker
  }
  const present = () => {
    if (opened !== undefined) return opened
    throw new CallboardError('CB_E_STOPPED', 'The broker of this code is not connected yet: it was not used.')
  }
  return {
    url: url ?? 'memory:',
    get capabilities() {
      return present().capabilities
    },
    get status() {
      return opened?.status ?? 'starting'
    },
    log: {
      append: async (...args) => (await open()).log.append(...args),
      last: async (...args) => (await open()).log.last(...args),
      async *read(...args) {
        yield* (await open()).log.read(...args)
      },
      follow: async (...args) => (await open()).log.follow(...args),
      end: async () => (await open()).log.end(),
      compare: (...args) => present().log.compare(...args),
      archive: async (...args) => (await open()).log.archive(...args),
    },
    queue: {
      enqueue: async (...args) => (await open()).queue.enqueue(...args),
      claim: async (...args) => (await open()).queue.claim(...args),
      depth: async (...args) => (await open()).queue.depth(...args),
    },
    bus: {
      publish: async (...args) => (await open()).bus.publish(...args),
      subscribe: async (...args) => (await open()).bus.subscribe(...args),
      request: async (...args) => (await open()).bus.request(...args),
    },
    kv: { bucket: async (...args) => (await open()).kv.bucket(...args) },
    objects: {
      put: async (...args) => (await open()).objects.put(...args),
      get: async (...args) => (await open()).objects.get(...args),
      delete: async (...args) => (await open()).objects.delete(...args),
    },
    onStatus(handler) {
      let stop: (() => void) | undefined
      let isWanted = true
      open().then(
        (broker) => {
          if (isWanted) stop = broker.onStatus(handler)
        },
        () => {},
      )
      return () => {
        isWanted = false
        stop?.()
      }
    },
    start: async () => {},
    async stop() {
      await opening?.then(
        (broker) => broker.stop(),
        () => {},
      )
    },
  }
}
