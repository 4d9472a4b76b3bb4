import { describe, expect, test } from 'vitest'
import { contest, type Work } from '../../bench/lib/interleave.ts'
import { median, quantile } from '../../bench/lib/stats.ts'
import { formatFigure, renderTable } from '../../bench/lib/table.ts'

describe('the figures of the bench', () => {
  test('a quantile lies between its neighbours and does not depend on the order', () => {
    expect(quantile([4, 1, 3, 2], 0)).toBe(1)
    expect(quantile([4, 1, 3, 2], 1)).toBe(4)
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5)
    expect(median([9, 1, 5])).toBe(5)
    expect(quantile([], 0.5)).toBeNaN()
  })

  test('a contest lets the two take turns, and turns the order round each time', async () => {
    let order = ''
    const work =
      (name: string): Work =>
      async () => {
        order += name
      }
    const result = await contest(work('s'), work('f'), { rounds: 4, perRound: 1 })
    expect(order).toBe('sf' + 'sf' + 'fs' + 'sf' + 'fs')
    expect(result.spread[0]).toBeLessThanOrEqual(result.ratio)
    expect(result.spread[1]).toBeGreaterThanOrEqual(result.ratio)
  })

  test('figures have the decimals they deserve', () => {
    expect(formatFigure(123456.7, '/s')).toBe('123,457 /s')
    expect(formatFigure(0.1234, 'ms')).toBe('0.123 ms')
    expect(formatFigure(12.34, 'ms')).toBe('12.3 ms')
    expect(formatFigure(Number.NaN, 'ms')).toBe('none')
  })

  test('a table is as wide as its widest cells, figures to the right', () => {
    const table = renderTable(
      [
        { title: 'what', cell: (row: [string, number]) => row[0] },
        { title: 'n', align: 'right', cell: (row) => String(row[1]) },
      ],
      [
        ['appends', 7],
        ['x', 1000],
      ],
    )
    expect(table).toBe('what        n\n-------  ----\nappends     7\nx        1000')
  })
})
