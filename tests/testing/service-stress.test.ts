import { describe, expect, it } from 'vitest'
import { CallboardError, type Service, service, systemClock } from '../../src/core/index.ts'
import { stressService } from '../../src/testing/index.ts'

const turn = () => new Promise<void>((resolve) => systemClock.defer(resolve))

/** A part that keeps the contract, with a door that is open while it is up. */
function honest() {
  let open = false
  const part = service('the honest part', {
    async start() {
      await turn()
      await turn()
      open = true
    },
    async stop() {
      await turn()
      open = false
    },
  })
  return { ...part, isOpen: () => open }
}

const stopped = () => new CallboardError('CB_E_STOPPED', 'stopped')

/** Parts that each break one rule. */
const BROKEN: Readonly<Record<string, readonly [RegExp, () => Service]>> = {
  'opens again after a stop that came first': [/L2/, () => ({ start: turn, stop: turn })],
  'refuses a start after stop with an error of its own': [
    /L2.*refused with CB_E_STOPPED/,
    () => {
      const inner = honest()
      return { ...inner, start: () => inner.start().catch(() => Promise.reject(new Error('no'))) }
    },
  ],
  'refuses the second start': [
    /L1/,
    () => {
      const inner = honest()
      let started = false
      return {
        ...inner,
        start() {
          if (started) return Promise.reject(new Error('started already'))
          return inner.start().then(() => {
            started = true
          })
        },
      }
    },
  ],
  'refuses the second stop': [
    /L4/,
    () => {
      const inner = honest()
      let stops = 0
      return {
        ...inner,
        stop: () => (stops++ === 1 ? Promise.reject(new Error('stopped already')) : inner.stop()),
      }
    },
  ],
  'stops without waiting for a start that is under way': [
    /L3/,
    () => {
      let over = false
      return {
        start: async () => {
          if (over) throw stopped()
          await turn()
          await turn()
        },
        stop: async () => {
          over = true
        },
      }
    },
  ],
  'leaves the caller of the start it interrupted without the answer it was owed': [
    /L3/,
    () => {
      let over = false
      return {
        start: async () => {
          await turn()
          if (over) throw stopped()
        },
        stop: async () => {
          over = true
          await turn()
          await turn()
        },
      }
    },
  ],
}

describe('the stress of start and stop', () => {
  it('passes a part that keeps the contract', async () => {
    await stressService(honest, { isUp: (part) => part.isOpen() })
  })

  it('leaves every part stopped', async () => {
    const made: ReturnType<typeof honest>[] = []
    const make = () => {
      const part = honest()
      made.push(part)
      return part
    }
    await stressService(make, { rounds: 2, callers: 4 })
    expect(made.length).toBe(5)
    expect(made.filter((part) => part.isOpen())).toEqual([])
  })

  for (const [what, [rule, make]] of Object.entries(BROKEN))
    it(`catches a part that ${what}`, async () => {
      await expect(stressService(make)).rejects.toThrow(rule)
    })

  it('catches a part that is still up after stop', async () => {
    const make = () => ({ ...honest(), isOpen: () => true })
    await expect(stressService(make, { isUp: (part) => part.isOpen() })).rejects.toThrow(/up after stop/)
  })
})
