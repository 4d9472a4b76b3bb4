/**
 * `faulty(broker, plan, deps)`: any driver's connection behind a wire that fails as a seed says. What the port promises
 * under faults still holds; what it leaves open happens. Without faults in the plan it behaves as the broker does.
 */

import type { Broker, BrokerStatus } from '../../broker/index.ts'
import type { Deps } from '../../core/index.ts'
import { faultyBus } from './bus.ts'
import { type FaultRecord, makeGate } from './gate.ts'
import { faultyKeyValue } from './kv.ts'
import { faultyLog } from './log.ts'
import { faultyObjects } from './objects.ts'
import type { FaultPlan } from './plan.ts'
import { faultyQueue } from './queue.ts'

export interface FaultyBroker extends Broker {
  /** Every fault so far, in order. */
  readonly faults: readonly FaultRecord[]
  /** From now on the broker cannot be reached, until `heal` or for `forMs`. */
  cut(forMs?: number): void
  heal(): void
  /**
   * The process is dead: nothing of this connection resolves, rejects or calls back any more, `stop` included. What
   * was in flight has happened or not, as the seed says. The promise is for whoever plays the dead process: it
   * resolves when the broker has let go of the connection.
   */
  crash(): Promise<void>
}

/**
 * Wraps a connection that was not started yet, or was.
 *
 * @throws CB_E_SETTING_INVALID when the plan asks for a fault that an operation cannot meet.
 */
export function faulty(broker: Broker, plan: FaultPlan, deps: Pick<Deps, 'clock'>): FaultyBroker {
  const gate = makeGate(plan, deps)
  const listeners = new Set<(status: BrokerStatus) => void>()
  let buried: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  let told: BrokerStatus | undefined

  const status = (): BrokerStatus =>
    gate.is('cut') && broker.status === 'connected' ? 'disconnected' : broker.status

  function tell(): void {
    const current = status()
    if (gate.is('dead') || current === told) return
    told = current
    for (const listener of [...listeners]) listener(current)
  }

  const endStatus = broker.onStatus(tell)
  gate.onChange(tell)
  gate.onChange(() => {
    if (!gate.is('dead')) return
    // The broker sees the connection close once what was on its way has arrived. What it answers reaches nobody.
    buried ??= gate
      .drained()
      .then(() => broker.stop())
      .finally(endStatus)
  })

  return {
    url: broker.url,
    get capabilities() {
      return { ...broker.capabilities, ordered: false } // each call is held up for itself
    },
    get status() {
      return status()
    },
    log: faultyLog(broker.log, gate),
    queue: faultyQueue(broker.queue, gate),
    bus: faultyBus(broker.bus, gate),
    kv: faultyKeyValue(broker.kv, gate),
    objects: faultyObjects(broker.objects, gate),
    faults: gate.faults,
    onStatus(handler) {
      listeners.add(handler)
      return () => listeners.delete(handler)
    },
    async start() {
      // Whoever starts while it stops is told by the broker, once that has been stopped.
      if (stopping) await stopping
      await gate.shield(broker.start())
    },
    stop() {
      stopping ??= gate.close().then(() => gate.shield(broker.stop()))
      return stopping
    },
    cut: (forMs) => gate.cut(forMs),
    heal: () => gate.heal(),
    async crash() {
      gate.crash()
      await buried
    },
  }
}
