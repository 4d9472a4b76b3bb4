/** Every statement of the driver finds its rows by an index: none of them gets slower as the store grows. */

import { expect, test } from 'vitest'
import { kvTable } from '../../../src/broker/embedded/kv/index.ts'
import { logTable } from '../../../src/broker/embedded/log/index.ts'
import { queueTable } from '../../../src/broker/embedded/queue/index.ts'
import { openMemoryStore, type Store } from '../../../src/broker/embedded/store/index.ts'
import { systemDeps } from '../../../src/core/index.ts'

test('no statement walks a table', () => {
  const store = openMemoryStore(systemDeps())
  const statements: string[] = []
  const spy: Store = {
    ...store,
    query(sql) {
      statements.push(sql)
      return store.query(sql)
    },
    command(sql) {
      statements.push(sql)
      return store.command(sql)
    },
  }
  logTable(spy).reader({ partitions: new Set([1, 2, 63]) })
  queueTable(spy)
  kvTable(spy)
  expect(statements.length).toBeGreaterThan(30)
  const walks = statements.flatMap((sql) =>
    store
      .query<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      // The first or last row of an order that the table or an index has anyway is one step.
      .filter(
        ({ detail }) => /^SCAN (?!CONSTANT ROW)/.test(detail) && !/ORDER BY \w+( DESC)? LIMIT 1$/.test(sql),
      )
      .concat(
        store
          .query<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .filter(({ detail }) => detail.includes('TEMP B-TREE')),
      )
      .map(({ detail }) => `${sql}: ${detail}`),
  )
  expect(walks).toEqual([])
  store.close()
})
