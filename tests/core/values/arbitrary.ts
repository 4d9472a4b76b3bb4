/** Arbitrary values of every supported type, nested in every supported container. */

import fc from 'fast-check'

const key = fc.oneof(
  { weight: 5, arbitrary: fc.string() },
  { weight: 1, arbitrary: fc.constantFrom('$cb', 'v', '__proto__', 'constructor', 'toString', 'a b', '') },
)

const leaf = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double(),
  fc.integer(),
  fc.constantFrom(null, true, false, undefined, -0, Number.NaN, Number.NEGATIVE_INFINITY),
  fc.bigInt(),
  fc.date({ noInvalidDate: false }),
  fc.webUrl({ withQueryParameters: true }).map((text) => new URL(text)),
  fc.constantFrom(/a+b/giu, /^\/(?<name>[\n"]*)$/, /(?:)/),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.uint8Array().map((bytes) => new Uint8Array(bytes).buffer),
  fc.uint8Array(),
  fc.uint8ClampedArray(),
  fc.int8Array(),
  fc.int16Array(),
  fc.uint16Array(),
  fc.int32Array(),
  fc.uint32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
)

const ERROR_CLASSES = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]

/** Fields of an error; the names that have a place of their own are not fields. */
const errorKey = key.filter((name) => !['name', 'message', 'stack', 'cause', '__proto__'].includes(name))

function errorOf(part: fc.Arbitrary<unknown>): fc.Arbitrary<Error> {
  return fc
    .record({
      make: fc.constantFrom(...ERROR_CLASSES),
      message: fc.string(),
      options: fc.option(fc.record({ cause: part }), { nil: undefined }),
      name: fc.option(fc.string(), { nil: undefined }),
      errors: fc.option(fc.array(part, { maxLength: 3 }), { nil: undefined, freq: 3 }),
      fields: fc.dictionary(errorKey, part, { maxKeys: 3 }),
    })
    .map(({ make, message, options, name, errors, fields }) => {
      const error =
        errors === undefined ? new make(message, options) : new AggregateError(errors, message, options)
      if (name !== undefined)
        Object.defineProperty(error, 'name', {
          value: name,
          writable: true,
          configurable: true,
          enumerable: false,
        })
      return Object.assign(error, fields)
    })
}

export function storableValue(): fc.Arbitrary<unknown> {
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('value')),
      fc.dictionary(key, tie('value'), { noNullPrototype: true }),
      fc.array(fc.tuple(tie('value'), tie('value'))).map((entries) => new Map(entries)),
      fc.array(tie('value')).map((items) => new Set(items)),
      errorOf(tie('value')),
    ),
  }))
  return value
}
