import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hideSecrets, secretsIn } from '../../src/catalog/index.ts'

describe('the secrets of a block', () => {
  test.each([
    [{ url: 'x', channel: '#ops' }, ['url'], { url: '***', channel: '#ops' }],
    [{ aws: { id: 'a', key: 'x' } }, ['aws.key'], { aws: { id: 'a', key: '***' } }],
    [{ 'aws.key': 'x', aws: { key: 'y' } }, ['aws.key'], { 'aws.key': '***', aws: { key: '***' } }],
    [{ a: { 'b.c': 'x' } }, ['a.b.c'], { a: { 'b.c': '***' } }],
    [{ keys: ['x', { v: 'y' }] }, ['keys.0', 'keys.1.v'], { keys: ['***', { v: '***' }] }],
    [{ aws: { key: 'x' } }, ['aws', 'aws.key'], { aws: '***' }],
    [{ url: 'x' }, ['ur', 'url.more', 'nothing'], { url: 'x' }],
  ])('in %j at %j are hidden: %j', (data, secrets, shown) => {
    const before = structuredClone(data)
    expect(hideSecrets({ data, secrets })).toEqual(shown)
    expect(data).toEqual(before)
  })

  test('are found where they are hidden', () => {
    const data = { 'a.b': 1, a: { b: 'x' } }
    expect(secretsIn({ data, secrets: ['a.b', 'c'] })).toEqual([
      { path: 'a.b', value: 1 },
      { path: 'a.b', value: 'x' },
    ])
  })

  test('are shown in no data that has them at their path, however deep; everything else is as it was', () => {
    const field = fc.constantFrom('a', 'b', 'a.b', '__proto__', '0')
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 4 }), fc.jsonValue(), (fields, beside) => {
        const around = (inner: unknown) =>
          fields.reduceRight<unknown>(
            (value, name) =>
              Object.fromEntries([
                ['beside', beside],
                [name, value],
              ]),
            inner,
          ) as Record<string, unknown>
        const shown = hideSecrets({ data: around('a secret'), secrets: [fields.join('.')] })
        expect(JSON.stringify(shown)).toBe(JSON.stringify(around('***')))
      }),
    )
  })
})
