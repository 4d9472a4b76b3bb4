import { expect, test } from 'vitest'
import { fingerprint } from '../../src/sdk/fingerprint.ts'

test('the fingerprint of a text is what it was in every version: runs are replayed by later ones', () => {
  expect(['[]', '[1,2]', '["é🎭"]'].map(fingerprint)).toEqual(['1mjsfpb3rfi', '159i1eu46gt', '1c3e3ye6mf9'])
})

test('texts that are much alike have different fingerprints', () => {
  const texts = new Set<string>()
  for (let i = 0; i < 300; i++)
    for (let j = 0; j < 300; j++)
      for (const text of [`[${i},${j}]`, `[{"i":${i},"v":[${j}]}]`]) texts.add(text)
  const prints = new Set(Array.from(texts, fingerprint))
  expect(prints.size).toBe(texts.size)
})

test('texts that differ in one place only have different fingerprints, wherever that is', () => {
  const text = 'x'.repeat(2_000)
  const changed = Array.from(text, (_, place) => `${text.slice(0, place)}y${text.slice(place + 1)}`)
  expect(new Set([text, ...changed].map(fingerprint)).size).toBe(2_001)
})
