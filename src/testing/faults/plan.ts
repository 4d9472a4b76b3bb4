/**
 * What shall go wrong, and when: by rates, which a seed turns into a history, and by rules for one certain call
 * ("the third append to this subject loses its answer").
 *
 * Invariants
 * (F1) The nth call of an operation meets the same fault under the same seed, whatever the other operations do.
 * (F2) A rule that applies goes before the rates. Only faults that an operation can meet are accepted.
 */

import { CallboardError, type Random, seededRandom } from '../../core/index.ts'

/**
 * `lose-before`: it never arrives. `lose-after`: it arrives and has its effect, the answer does not.
 * `crash-before`, `crash-after`: the process dies at that point. `cut`: the connection is lost for a while.
 * `delay`: it takes longer, the order is kept. `reorder`: it takes longer, others overtake it. `double`: it comes
 * twice. `deny`: it is said that nobody is home. `split`: a batch comes as two.
 */
export type FaultKind =
  | 'crash-after'
  | 'crash-before'
  | 'cut'
  | 'delay'
  | 'deny'
  | 'double'
  | 'lose-after'
  | 'lose-before'
  | 'reorder'
  | 'split'

const CALL: readonly FaultKind[] = [
  'crash-after',
  'crash-before',
  'cut',
  'delay',
  'lose-after',
  'lose-before',
]

/** Which faults each operation can meet. `bus.message`, `kv.change`, `log.batch` and `queue.item` are deliveries. */
export const POSSIBLE = {
  'bus.message': ['crash-after', 'crash-before', 'delay', 'double', 'lose-after', 'lose-before', 'reorder'],
  // No delay: what one connection publishes keeps its order, unless that is the fault.
  'bus.publish': [...CALL.filter((kind) => kind !== 'delay'), 'double', 'reorder'],
  'bus.request': [...CALL, 'deny', 'double'],
  'bus.subscribe': CALL,
  'kv.bucket': CALL,
  'kv.change': ['crash-after', 'crash-before', 'delay'],
  'kv.create': CALL,
  'kv.delete': CALL,
  'kv.get': CALL,
  'kv.list': CALL,
  'kv.put': CALL,
  'kv.update': CALL,
  'kv.watch': CALL,
  'log.append': CALL,
  'log.archive': CALL,
  'log.batch': ['crash-after', 'crash-before', 'delay', 'split'],
  'log.end': CALL,
  'log.follow': CALL,
  'log.last': CALL,
  'log.read': CALL,
  'objects.delete': CALL,
  'objects.get': CALL,
  'objects.put': CALL,
  'queue.ack': CALL,
  'queue.claim': CALL,
  'queue.depth': CALL,
  'queue.enqueue': CALL,
  'queue.item': ['double'],
  'queue.release': CALL,
} as const satisfies Record<string, readonly FaultKind[]>

export type Operation = keyof typeof POSSIBLE

export type Rates = Readonly<Partial<Record<FaultKind, number>>>

/** One certain call. */
export interface FaultRule {
  readonly operation: Operation
  readonly fault: FaultKind
  /** Which of the calls that match, 1 for the first. */
  readonly nth: number
  /** Only calls to this subject, queue, bus subject, key; absent: all of them. */
  readonly target?: string
}

export interface FaultPlan {
  /** Decides everything that is left to chance. */
  readonly seed: number
  /** Probabilities, 0 to 1, of each fault at each operation. */
  readonly rates?: Readonly<Partial<Record<Operation, Rates>>>
  readonly rules?: readonly FaultRule[]
  /** A delay is 1 to this many milliseconds. Default 50. */
  readonly longestDelayMs?: number
  /** How long a cut by plan lasts. Default 500 ms. */
  readonly cutMs?: number
  /** How long somebody waits for an answer that was lost. Default 100 ms. */
  readonly silenceMs?: number
  /** How long calls wait for a cut connection before they are unavailable. Default 5,000 ms. */
  readonly callTimeoutMs?: number
  /** How long appends wait before they are unknown. Default 30,000 ms. */
  readonly settleMs?: number
}

/** What one call meets. */
export interface Fault {
  readonly kind: FaultKind
  /** How long a delay takes. */
  readonly delayMs: number
}

/** Answers, call by call, what it meets. */
export interface Oracle {
  decide(operation: Operation, target: string): (Fault & { readonly call: number }) | undefined
  /** For what is left to chance besides the rates. */
  chance(): boolean
}

function isOperation(name: string): name is Operation {
  return Object.hasOwn(POSSIBLE, name)
}

function check(plan: FaultPlan): void {
  const wrong = (what: string) =>
    new CallboardError('CB_E_SETTING_INVALID', `The fault plan is wrong: ${what}.`)
  const possible = (operation: string, fault: string) => {
    if (!isOperation(operation)) throw wrong(`"${operation}" is no operation`)
    const kinds: readonly string[] = POSSIBLE[operation]
    if (!kinds.includes(fault)) throw wrong(`${operation} can meet ${kinds.join(', ')}, but not "${fault}"`)
  }
  for (const [operation, rates] of Object.entries(plan.rates ?? {})) {
    for (const [fault, rate] of Object.entries(rates)) {
      possible(operation, fault)
      if (!(rate >= 0 && rate <= 1))
        throw wrong(`the rate ${rate} of ${fault} at ${operation} is not within 0 to 1`)
    }
  }
  for (const { operation, fault, nth } of plan.rules ?? []) {
    possible(operation, fault)
    if (!(Number.isInteger(nth) && nth >= 1)) throw wrong(`nth is ${nth}; the first call is 1`)
  }
}

const DEFAULT_LONGEST_DELAY_MS = 50

/** @throws CB_E_SETTING_INVALID for a fault that the operation cannot meet, or a rate that is none. */
export function oracle(plan: FaultPlan): Oracle {
  check(plan)
  const operations = Object.keys(POSSIBLE)
  const streams = new Map<Operation, { readonly random: Random; calls: number }>()
  const rules = (plan.rules ?? []).map((rule) => ({ rule, seen: 0 }))
  const coin = seededRandom(plan.seed)
  const longest = plan.longestDelayMs ?? DEFAULT_LONGEST_DELAY_MS

  return {
    decide(operation, target) {
      // (F1) Each operation has a stream of its own, and each call takes two numbers from it, faulty or not.
      let stream = streams.get(operation)
      if (!stream) {
        stream = { random: seededRandom(plan.seed * 101 + operations.indexOf(operation) + 1), calls: 0 }
        streams.set(operation, stream)
      }
      const call = ++stream.calls
      let draw = stream.random.next()
      const delayMs = 1 + Math.floor(stream.random.next() * longest)
      let ruled: FaultKind | undefined
      for (const each of rules) {
        const { rule } = each
        if (rule.operation !== operation || (rule.target !== undefined && rule.target !== target)) continue
        if (++each.seen === rule.nth) ruled ??= rule.fault // (F2)
      }
      if (ruled) return { kind: ruled, delayMs, call }
      const rates: Rates = plan.rates?.[operation] ?? {}
      for (const kind of POSSIBLE[operation]) {
        const rate = rates[kind] ?? 0
        if (draw < rate) return { kind, delayMs, call }
        draw -= rate
      }
      return undefined
    },
    chance: () => coin.next() < 0.5,
  }
}

/** The same rate for these faults wherever they are possible. */
export function everywhere(rate: number, ...kinds: readonly FaultKind[]): NonNullable<FaultPlan['rates']> {
  const rates: Partial<Record<Operation, Rates>> = {}
  for (const [operation, possible] of Object.entries(POSSIBLE)) {
    const met: readonly FaultKind[] = kinds.filter((kind) => possible.some((candidate) => candidate === kind))
    if (isOperation(operation)) rates[operation] = Object.fromEntries(met.map((kind) => [kind, rate]))
  }
  return rates
}
