/** Keys and values behind a wire that fails: writes of which nobody knows, changes that come late. */

import type { Bucket, KeyValue, KvChange } from '../../broker/index.ts'
import type { JsonValue } from '../../core/index.ts'
import { asItIs, type Gate, shielded } from './gate.ts'
import { makeLine } from './line.ts'

export function faultyKeyValue(inner: KeyValue, gate: Gate): KeyValue {
  return {
    bucket: (name, options) =>
      gate.ask('kv.bucket', name, async () => faultyBucket(await inner.bucket(name, options), gate)),
  }
}

function faultyBucket(inner: Bucket, gate: Gate): Bucket {
  const { ask } = gate

  /** A write of the value as it is now. */
  function write<T>(
    operation: 'kv.create' | 'kv.put' | 'kv.update',
    key: string,
    value: JsonValue,
    perform: (given: JsonValue) => Promise<T>,
  ): Promise<T> {
    const given = asItIs(value)
    return ask(operation, key, () => perform(given))
  }

  async function watch(prefix: string, handler: (change: KvChange) => void) {
    const ending = new AbortController()
    const line = makeLine(gate, ending.signal)
    const watching = await inner.watch(prefix, (change) => {
      const fault = gate.decide('kv.change', change.kind === 'put' ? change.entry.key : change.key)
      if (fault?.kind === 'crash-before') gate.crash()
      if (gate.is('dead')) return
      void line.join(fault, () => handler(change))
      if (fault?.kind === 'crash-after') gate.crash()
    })
    const caughtUp = gate.shield(watching.caughtUp.then(() => line.drained()))
    caughtUp.catch(() => {})
    return {
      caughtUp,
      stop() {
        ending.abort()
        return gate.shield(watching.stop())
      },
    }
  }

  return {
    get: (key) => ask('kv.get', key, () => inner.get(key)),
    async *list(prefix) {
      await ask('kv.list', prefix ?? '', async () => {})
      yield* shielded(gate, inner.list(prefix))
    },
    create: (key, value) => write('kv.create', key, value, (given) => inner.create(key, given)),
    update: (key, value, revision) =>
      write('kv.update', key, value, (given) => inner.update(key, given, revision)),
    put: (key, value) => write('kv.put', key, value, (given) => inner.put(key, given)),
    delete: (key, revision) => ask('kv.delete', key, () => inner.delete(key, revision)),
    watch: (prefix, handler) => ask('kv.watch', prefix, () => watch(prefix, handler)),
  }
}
