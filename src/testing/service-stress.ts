/**
 * Hammers anything with a life from many callers at once and checks the start/stop contract of
 * `core/lifecycle.ts`, L1 to L4, from the outside. One call in the tests of every part that has one:
 *
 * ```ts
 * it('keeps the start/stop contract', () => stressService(() => makeGateway(deps)))
 * ```
 */

import assert from 'node:assert/strict'
import {
  type Clock,
  isCallboardError,
  messageOf,
  type Random,
  type Service,
  seededRandom,
  systemClock,
} from '../core/index.ts'

export interface StressOptions<S extends Service = Service> {
  /** How many call start and stop at once in the last scene. Default 10. */
  readonly callers?: number
  /** How often the last scene is played, each time with another order. Default 3. */
  readonly rounds?: number
  /** Decides the orders of the last scene. Default: seed 1. */
  readonly random?: Random
  readonly clock?: Clock
  /** Whether the part is up: must hold after `start` and not after `stop`. */
  isUp?(service: S): boolean
}

type Ending = 'resolved' | 'stopped' | { readonly failed: unknown }

/** How a call ended; `stopped` is a rejection with CB_E_STOPPED. */
function ending(call: Promise<void>): Promise<Ending> {
  return call.then(
    () => 'resolved',
    (error: unknown) => (isCallboardError(error, 'CB_E_STOPPED') ? 'stopped' : { failed: error }),
  )
}

async function assertResolves(call: Promise<void>, what: string): Promise<void> {
  const found = await ending(call)
  if (found !== 'resolved') assert.fail(`${what} should resolve, but ${describe(found)}`)
}

async function assertStopped(call: Promise<void>, what: string): Promise<void> {
  const found = await ending(call)
  if (found !== 'stopped') assert.fail(`${what} should be refused with CB_E_STOPPED, but ${describe(found)}`)
}

const describe = (found: Ending) =>
  typeof found === 'object' ? `it rejected: ${messageOf(found.failed)}` : `it was ${found}`

/**
 * Plays every order of starts and stops. `make` makes a new, startable part each time; every one of them is
 * stopped in the end, also when the contract is broken.
 *
 * @throws AssertionError naming the broken rule.
 */
export async function stressService<S extends Service>(
  make: () => S,
  options: StressOptions<S> = {},
): Promise<void> {
  const { callers = 10, rounds = 3, random = seededRandom(1), clock = systemClock } = options
  const assertUp = (service: S, expected: boolean, when: string) => {
    if (options.isUp) assert.equal(options.isUp(service), expected, `up ${when}`)
  }

  async function scene(play: (service: S) => Promise<void>): Promise<void> {
    const service = make()
    try {
      await play(service)
    } finally {
      await service.stop()
    }
  }

  await scene(async (service) => {
    await assertResolves(service.stop(), '(L2) stop before start')
    await assertStopped(service.start(), '(L2) start after a stop that came first')
    await assertResolves(service.stop(), '(L4) stop again')
    assertUp(service, false, 'after stop before start')
  })

  await scene(async (service) => {
    const starts = [service.start(), service.start()]
    await Promise.all(starts.map((start) => assertResolves(start, '(L1) each of two starts')))
    await assertResolves(service.start(), '(L1) start of what is started')
    assertUp(service, true, 'after start')
    const stops = [service.stop(), service.stop()]
    await Promise.all(stops.map((stop) => assertResolves(stop, '(L4) each of two stops')))
    assertUp(service, false, 'after stop')
    await assertStopped(service.start(), '(L2) start after stop')
    await assertResolves(service.stop(), '(L4) stop of what is stopped')
  })

  await scene(async (service) => {
    let answered = false
    const start = ending(service.start()).then((found) => {
      answered = true
      return found
    })
    const late = service
      .stop()
      .then(() => assert.ok(answered, '(L3) stop did not wait for the start to settle'))
    await assertStopped(service.start(), '(L2) start after a stop that came during start')
    await late
    const found = await start
    if (found !== 'resolved')
      assert.fail(`(L3) the start that was stopped on its way should be answered, but ${describe(found)}`)
    assertUp(service, false, 'after stop during start')
  })

  for (let round = 0; round < rounds; round++)
    await scene((service) => hammer(service, callers, random, clock))
}

/** Many callers, each with an order of its own; whatever the order, the answers must fit one story. */
async function hammer(service: Service, callers: number, random: Random, clock: Clock): Promise<void> {
  const beforeStop: Promise<Ending>[] = []
  const afterStop: Promise<Ending>[] = []
  const stops: Promise<Ending>[] = []
  const turn = () => new Promise<void>((resolve) => clock.defer(resolve))
  const call = async () => {
    for (let i = 0; i < 5; i++) {
      for (let pause = Math.floor(random.next() * 4); pause > 0; pause--) await turn()
      if (random.next() < 0.7) (stops.length === 0 ? beforeStop : afterStop).push(ending(service.start()))
      else stops.push(ending(service.stop()))
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  stops.push(ending(service.stop()))
  for (const stop of await Promise.all(stops))
    assert.equal(stop, 'resolved', `(L4) a stop among many: ${describe(stop)}`)
  for (const start of await Promise.all(beforeStop))
    assert.equal(start, 'resolved', `(L3) a start before the first stop: ${describe(start)}`)
  for (const start of await Promise.all(afterStop))
    assert.equal(start, 'stopped', `(L2) a start after the first stop: ${describe(start)}`)
}
