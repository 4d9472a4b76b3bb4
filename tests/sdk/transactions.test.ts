import { describe, expect, test } from 'vitest'
import { flow, sleep, type TransactionMode, task, transaction } from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

/** Tasks that write down what becomes of them. */
function ledger(prefix: string) {
  const seen: string[] = []
  const write = (name: string) =>
    task(
      {
        name: `${prefix}-${name}`,
        onCommit: () => void seen.push(`commit ${name}`),
        onRollback: () => void seen.push(`rollback ${name}`),
      },
      async () => void seen.push(`run ${name}`),
    )
  const fail = task(`${prefix}-fail`, async () => {
    throw new Error('it failed')
  })
  return { seen, write, fail }
}

describe('a transaction', () => {
  test('[prefect 71] that fails rolls its completed tasks back, the last first', async () => {
    const { fail, seen, write } = ledger('txn1')
    const [a, b] = [write('a'), write('b')]
    const run = await stage.play(
      flow('txn-flow-1', async () => {
        await transaction({}, async () => {
          await a()
          await b()
          await fail()
        })
      }),
    )
    expect(seen).toEqual(['run a', 'run b', 'rollback b', 'rollback a'])
    expect(await run.of('txn1-a-0')).toEqual(['Pending', 'Running', 'Completed', 'RolledBack'])
    expect(run.state.message).toBe('it failed')
  })

  test('that ends well runs its commit hooks in order', async () => {
    const { seen, write } = ledger('txn2')
    const [a, b] = [write('a'), write('b')]
    await stage.play(
      flow('txn-flow-2', async () => {
        const value = await transaction({}, async () => {
          await a()
          await b()
          return 'value'
        })
        seen.push(value)
      }),
    )
    expect(seen).toEqual(['run a', 'run b', 'commit a', 'commit b', 'value'])
  })

  test.each<[TransactionMode, string[]]>([
    ['lazy', ['run a', 'run b', 'commit a', 'commit b']],
    ['eager', ['run a', 'commit a', 'run b', 'commit b']],
  ])('[prefect 72] inside another is committed as its mode says: %s', async (mode, expected) => {
    const { seen, write } = ledger(`txn3-${mode}`)
    const [a, b] = [write('a'), write('b')]
    await stage.play(
      flow(`txn-flow-3-${mode}`, async () => {
        await transaction({}, async () => {
          await transaction({ mode }, async () => void (await a()))
          await transaction({}, async () => void (await b()))
        })
      }),
    )
    expect(seen).toEqual(expected)
  })

  test('[prefect 72] whose mode is off is rolled back at its end, unless it was committed', async () => {
    const { seen, write } = ledger('txn3-off')
    const [a, b] = [write('a'), write('b')]
    const { state } = await stage.play(
      flow('txn-flow-3-off', () =>
        transaction({}, async () => {
          await transaction({ mode: 'off' }, async () => void (await a()))
          await transaction({}, async () => void (await b()))
        }),
      ),
    )
    expect(seen).toEqual(['run a', 'rollback a', 'run b', 'rollback b'])
    expect(state.error).toMatchObject({ code: 'CB_E_TRANSACTION' }) // the outer one had been rolled back with it
  })

  test('[prefect 72] whose mode is off is kept when it is committed', async () => {
    const { seen, write } = ledger('txn4')
    const a = write('a')
    await stage.play(
      flow('txn-flow-4', () =>
        transaction({ mode: 'off' }, async (txn) => {
          await a()
          await txn.commit()
        }),
      ),
    )
    expect(seen).toEqual(['run a', 'commit a'])
  })

  test('[prefect 72] whose commit fails is rolled back', async () => {
    const { seen, write } = ledger('txn5')
    const a = write('a')
    const { state } = await stage.play(
      flow('txn-flow-5', () =>
        transaction({}, async (txn) => {
          await a()
          txn.onCommit(() => {
            throw new Error('commit failed')
          })
        }),
      ),
    )
    expect(seen).toEqual(['run a', 'commit a', 'rollback a'])
    expect(state.message).toBe('commit failed')
  })

  test('[prefect 73] inside another that is rolled back rolls that back too', async () => {
    const { fail, seen, write } = ledger('txn6')
    const [a, b] = [write('a'), write('b')]
    await stage.play(
      flow('txn-flow-6', async () => {
        await transaction({}, async (outer) => {
          await a()
          await transaction({}, async () => {
            await b()
            await fail()
          }).catch(() => {})
          seen.push(outer.state)
        })
      }),
    )
    expect(seen).toEqual(['run a', 'run b', 'rollback b', 'rollback a', 'rolled-back'])
  })

  test('[prefect 73] shows values to those inside of it, as copies', async () => {
    const { state } = await stage.play(
      flow('txn-flow-7', () =>
        transaction({}, (outer) => {
          const list = [1]
          outer.set('list', list)
          list.push(2)
          return transaction({}, (inner) => {
            const seen = inner.get('list')
            inner.set('list', 'own')
            return [seen, inner.get('list'), outer.get('list'), inner.get('nothing')]
          })
        }),
      ),
    )
    expect(state.data).toEqual([[1], 'own', [1], undefined])
  })

  test('that was committed under its key is not run again', async () => {
    let runs = 0
    const keyed = flow('txn-flow-8', () => transaction({ key: 'once' }, async () => ++runs))
    const results = [(await stage.play(keyed)).state.data, (await stage.play(keyed)).state.data]
    expect([results, runs]).toEqual([[1, 1], 1])
  })

  test('remembers cached results only once it is committed', async () => {
    let calls = 0
    const cached = task({ name: 'txn9-cached', cacheKeyFn: () => 'txn9' }, async () => ++calls)
    const run = flow('txn-flow-9', async (fails: boolean) =>
      transaction({}, async () => {
        const value = await cached()
        if (fails) throw new Error('no')
        return value
      }),
    )
    await stage.play(run, true)
    expect((await stage.play(run, false)).state.data).toBe(2)
    expect((await stage.play(run, false)).state.data).toBe(2)
  })

  test('that is replayed does not roll back twice', async () => {
    const { fail, seen, write } = ledger('txn10')
    const a = write('a')
    await stage.play(
      flow('txn-flow-10', async () => {
        await transaction({}, async () => {
          await a()
          await fail()
        }).catch(() => {})
        await sleep('1h')
      }),
    )
    expect(seen).toEqual(['run a', 'rollback a'])
  })
})
