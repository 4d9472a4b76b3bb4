import { describe, expect, test } from 'vitest'
import { Lookup } from '../../src/actors/lookup.ts'

describe('what is under way', () => {
  test('is given in the order it came, also where something that has ended made room', () => {
    const open = new Lookup<string, string>()
    for (const id of ['a', 'b', 'c']) open.set(id, `${id}1`)
    open.delete('a')
    open.delete('b')
    for (const id of ['d', 'a', 'e']) open.set(id, `${id}2`)
    expect(open.values()).toEqual(['c1', 'd2', 'a2', 'e2'])
    expect(['a', 'b', 'c', 'd', 'e'].map((id) => open.get(id))).toEqual(['a2', undefined, 'c1', 'd2', 'e2'])
  })

  test('is counted once, however often it is set and deleted', () => {
    const open = new Lookup<number, string>()
    open.set(7, 'first')
    open.set(7, 'second')
    expect([open.size, open.get(7)]).toEqual([1, 'second'])
    open.delete(7)
    open.delete(7)
    open.delete(8)
    expect([open.size, open.get(7), open.values()]).toEqual([0, undefined, []])
  })
})
