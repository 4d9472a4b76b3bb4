import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GONE, type HeapItem, OUT, TimerHeap } from '../../src/scheduler/timer-heap.ts'

const item = (due: number): HeapItem => ({ due, place: OUT })

describe('a timer heap', () => {
  test('gives out what was put in and not taken out, earliest first, whatever the order of puts and removals', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('push' as const), due: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ do: fc.constant('remove' as const), which: fc.nat() }),
      fc.record({ do: fc.constant('pop' as const) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const heap = new TimerHeap<HeapItem>()
        const model: HeapItem[] = []
        for (const each of steps) {
          if (each.do === 'push') {
            const added = item(each.due)
            model.push(added)
            heap.push(added)
          } else if (each.do === 'remove' && model.length > 0) {
            const [removed] = model.splice(each.which % model.length, 1)
            if (removed) heap.remove(removed)
            expect(removed?.place).toBe(OUT)
          } else if (each.do === 'pop') {
            const popped = heap.pop()
            expect(popped?.due).toBe(
              model.length === 0 ? undefined : Math.min(...model.map(({ due }) => due)),
            )
            if (popped) model.splice(model.indexOf(popped), 1)
          }
          expect(heap.size).toBe(model.length)
        }
        const rest = Array.from({ length: heap.size }, () => heap.pop()?.due)
        expect(rest).toEqual(model.map(({ due }) => due).sort((a, b) => a - b))
      }),
    )
  })

  test('holds an item once, and one that is gone never', () => {
    const heap = new TimerHeap<HeapItem>()
    const once = item(1)
    heap.push(once)
    heap.push(once)
    const gone = item(0)
    gone.place = GONE
    heap.push(gone)
    heap.remove(gone)
    expect(heap.size).toBe(1)
    expect(heap.pop()).toBe(once)
    expect(heap.pop()).toBeUndefined()
  })
})
