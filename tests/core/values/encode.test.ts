import { describe, expect, it } from 'vitest'
import { CallboardError, encodeToJson, encodeValue } from '../../../src/core/index.ts'

/** The code of what `run` throws, its message, and the path it names. */
function refusal(run: () => unknown): { code: string; message: string; path: unknown } {
  try {
    run()
  } catch (error) {
    if (error instanceof CallboardError)
      return { code: error.code, message: error.message, path: error.details.path }
    throw error
  }
  throw new Error('nothing was refused')
}

function nest(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 'core'
  for (let level = 0; level < levels; level++) value = wrap(value)
  return value
}

class Money {
  amount = 12.5
  currency = 'USD'
  #cents = 1250
  get cents() {
    return this.#cents
  }
}

class Celsius {
  #degrees = 21.4
  toJSON() {
    return { degrees: this.#degrees, at: new Date(0) }
  }
}

class Vault {
  #key = 1
  get isOpen() {
    return this.#key === 0
  }
}

describe('the written form of a value, which is the broker’s format and never changes', () => {
  const written: [what: string, value: unknown, text: string][] = [
    ['a plain object', { a: [1, 'x', null, true] }, '{"a":[1,"x",null,true]}'],
    ['undefined', undefined, '{"$cb":"undefined"}'],
    ['undefined in an object', { a: undefined }, '{"a":{"$cb":"undefined"}}'],
    ['a hole in a list', new Array(1), '[{"$cb":"undefined"}]'],
    ['NaN', Number.NaN, '{"$cb":"number","v":"NaN"}'],
    ['minus zero', -0, '{"$cb":"number","v":"-0"}'],
    ['infinity', [Number.NEGATIVE_INFINITY], '[{"$cb":"number","v":"-Infinity"}]'],
    ['a BigInt', 12n, '{"$cb":"bigint","v":"12"}'],
    ['a Date', new Date(0), '{"$cb":"Date","v":"1970-01-01T00:00:00.000Z"}'],
    ['an invalid Date', new Date(Number.NaN), '{"$cb":"Date","v":null}'],
    ['a Map', new Map([['a', 1]]), '{"$cb":"Map","v":[["a",1]]}'],
    ['a Set', new Set(['a']), '{"$cb":"Set","v":["a"]}'],
    ['a URL', new URL('http://a.example/b'), '{"$cb":"URL","v":"http://a.example/b"}'],
    ['a RegExp', /a"b/gi, '{"$cb":"RegExp","v":["a\\"b","gi"]}'],
    ['a Buffer', Buffer.from('hi'), '{"$cb":"Buffer","v":"aGk="}'],
    ['an ArrayBuffer', new Uint8Array([1, 2]).buffer, '{"$cb":"ArrayBuffer","v":"AQI="}'],
    ['a view of part of a buffer', new Uint8Array([1, 2, 3]).subarray(1), '{"$cb":"Uint8Array","v":"AgM="}'],
    ['a DataView', new DataView(new ArrayBuffer(1)), '{"$cb":"DataView","v":"AA=="}'],
    ['a float array', new Float64Array([1]), '{"$cb":"Float64Array","v":"AAAAAAAA8D8="}'],
    [
      'an object with the tag key',
      { $cb: 1, b: 2n },
      '{"$cb":"object","v":{"$cb":1,"b":{"$cb":"bigint","v":"2"}}}',
    ],
    ['a class instance', new Money(), '{"amount":12.5,"currency":"USD"}'],
    [
      'an instance with toJSON',
      new Celsius(),
      '{"degrees":21.4,"at":{"$cb":"Date","v":"1970-01-01T00:00:00.000Z"}}',
    ],
    ['an object with toJSON', { toJSON: () => undefined }, '{"$cb":"undefined"}'],
    [
      'an object with a toJSON that cannot be seen',
      Object.defineProperty({}, 'toJSON', { value: () => 2n }),
      '{"$cb":"bigint","v":"2"}',
    ],
    [
      'an object without prototype',
      Object.assign(Object.create(null), { a: 1n }),
      '{"a":{"$cb":"bigint","v":"1"}}',
    ],
    ['a boxed number', [Object(7)], '[7]'],
    [
      'a subclass of Map',
      new (class Register extends Map<string, number> {})([['a', 1]]),
      '{"$cb":"Map","v":[["a",1]]}',
    ],
    [
      'something shared',
      ((shared) => [shared, shared])({ at: 1n }),
      '[{"at":{"$cb":"bigint","v":"1"}},{"at":{"$cb":"bigint","v":"1"}}]',
    ],
  ]
  it.each(written)('%s', (_, value, text) => {
    expect(encodeValue(value)).toBe(text)
    expect(JSON.stringify(encodeToJson(value))).toBe(text)
  })

  it('an error: name, message, stack, cause and its own fields', () => {
    const error = Object.assign(new TypeError('no', { cause: 1n }), { code: 'E_NO' })
    error.stack = 'TypeError: no\n    at here'
    expect(JSON.parse(encodeValue(error))).toEqual({
      $cb: 'Error',
      v: {
        name: 'TypeError',
        message: 'no',
        stack: 'TypeError: no\n    at here',
        cause: { $cb: 'bigint', v: '1' },
        fields: { code: 'E_NO' },
      },
    })
  })
})

describe('a value that cannot be stored', () => {
  const cycle: Record<string, unknown> = { list: [1] }
  cycle.list = [1, { back: cycle }]
  const throwing = {
    get secret() {
      throw new Error('not for you')
    },
  }
  const refused: [what: string, value: unknown, path: string, phrase: string][] = [
    ['a function', { items: [0, 0, 0, { handler: () => {} }] }, 'result.items[3].handler', 'is a function'],
    ['a function at the top', () => {}, 'result', 'hand over what it returns'],
    ['a symbol', { 'a b': Symbol('x') }, 'result["a b"]', 'is a symbol'],
    ['a promise', [Promise.resolve(1)], 'result[0]', 'Await it first'],
    ['an instance with a then method', [lazyQuery()], 'result[0]', 'Await it first'],
    ['a WeakMap', { seen: new WeakMap() }, 'result.seen', 'Hand over a Map'],
    ['a WeakSet', new WeakSet(), 'result', 'Hand over a Set'],
    ['a WeakRef', new WeakRef({}), 'result', 'what it refers to'],
    ['a generator', { rows: (function* () {})() }, 'result.rows', 'Spread it into a list'],
    ['a SharedArrayBuffer', new SharedArrayBuffer(1), 'result', 'into an ArrayBuffer'],
    ['a cycle', cycle, 'result.list[1].back', 'a cycle'],
    ['a cycle through a Map', ((map) => map.set('me', map))(new Map()), 'result.entries()[0][1]', 'a cycle'],
    [
      'a cycle through toJSON',
      {
        toJSON() {
          return [this]
        },
      },
      'result[0]',
      'a cycle',
    ],
    ['a function in a Set', { all: new Set([1, () => {}]) }, 'result.all.values()[1]', 'is a function'],
    ['a getter that throws', { user: throwing }, 'result.user.secret', 'not for you'],
    [
      'a toJSON that throws',
      {
        at: {
          toJSON() {
            throw new Error('no')
          },
        },
      },
      'result.at',
      'no',
    ],
    ['a proxy that was revoked', { p: revokedProxy() }, 'result.p', 'revoked'],
    [
      'an instance that hides its data',
      { answer: new Response('x') },
      'result.answer',
      'instance of Response',
    ],
    [
      'an instance of a class with private fields only',
      { key: new Vault() },
      'result.key',
      'instance of Vault',
    ],
  ]
  it.each(refused)('is refused with its path: %s', (_, value, path, phrase) => {
    for (const encode of [encodeValue, encodeToJson]) {
      const { code, message, path: named } = refusal(() => encode(value, 'result'))
      expect(code).toBe('CB_E_VALUE_UNSERIALISABLE')
      expect(named).toBe(path)
      expect(message).toContain(`${path} `)
      expect(message).toContain(phrase)
    }
  })

  it('keeps what user code threw as the cause', () => {
    expect(() => encodeValue(throwing)).toThrow(expect.objectContaining({ cause: new Error('not for you') }))
  })

  it('is one nested more than 500 levels deep', () => {
    const wraps = [(x: unknown) => [x], (x: unknown) => ({ x })]
    for (const wrap of wraps) {
      expect(encodeValue(nest(500, wrap))).toContain('core')
      expect(refusal(() => encodeValue(nest(501, wrap))).message).toContain('more than 500 levels')
    }
  })
})

describe('what an error carries', () => {
  const fieldsOf = (error: Error) => JSON.parse(encodeValue(error)).v

  it('is left out and named when it cannot be stored, for a failure must be recorded', () => {
    const error = Object.assign(new Error('request failed', { cause: () => {} }), {
      status: 500,
      request: { send() {} },
      retry: () => {},
    })
    expect(fieldsOf(error)).toMatchObject({
      message: 'request failed',
      fields: { status: 500 },
      leftOut: ['cause', 'request', 'retry'],
    })
  })

  it('may be the error itself', () => {
    const error = new Error('round')
    error.cause = error
    const aggregate = new AggregateError([error], 'all')
    aggregate.errors.push(aggregate)
    expect(fieldsOf(error).leftOut).toEqual(['cause'])
    expect(fieldsOf(aggregate).leftOut).toEqual(['errors'])
  })

  it('that cannot be stored does not keep what follows it from being stored, however much there is', () => {
    const bad = Array.from({ length: 600 }, (_, index) => [`bad${index}`, { deep: [() => {}] }])
    const error = Object.assign(new Error('x'), Object.fromEntries(bad), { good: { a: 1n } })
    expect(fieldsOf(error)).toMatchObject({ fields: { good: { a: { $cb: 'bigint', v: '1' } } } })
    expect(fieldsOf(error).leftOut).toHaveLength(600)
  })
})

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** As query builders are: it runs when it is awaited. */
function lazyQuery(): object {
  class Query {
    table = 'orders'
  }
  Reflect.set(Query.prototype, 'then', () => {})
  return new Query()
}
