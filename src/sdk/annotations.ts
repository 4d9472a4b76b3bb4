/** What an argument can be wrapped in to be treated otherwise than usual. */

/** The same for every element of a `map`. */
export class Unmapped<out T> {
  readonly value: T
  constructor(value: T) {
    this.value = value
  }
}

/** A run that may have failed: its error is handed over as a value. */
export class AllowFailure<out T> {
  readonly value: unknown
  declare readonly resolved: T
  constructor(value: unknown) {
    this.value = value
  }
}

/** Handed over as it is: no future inside it is waited for. */
export class Quoted<out T> {
  readonly value: T
  constructor(value: T) {
    this.value = value
  }
}

/** Resolved when it is a future itself; what is inside it is not looked at. */
export class Opaque<out T> {
  readonly value: unknown
  declare readonly resolved: T
  constructor(value: unknown) {
    this.value = value
  }
}

/**
 * Hands the same value to every element of a `map`.
 *
 * ```ts
 * convert.map([1, 2, 3], unmapped('C'))
 * ```
 */
export function unmapped<T>(value: T): Unmapped<T> {
  return new Unmapped(value)
}

/** Lets a task run although this upstream failed: it gets the error as a value. Also for collections of futures. */
export function allowFailure<T>(value: PromiseLike<T>): AllowFailure<T | Error>
export function allowFailure<T>(value: readonly PromiseLike<T>[]): AllowFailure<(T | Error)[]>
export function allowFailure(value: unknown): AllowFailure<unknown> {
  return new AllowFailure(value)
}

/** Hands a value over as it is, without looking into it for futures: for large data. */
export function quote<T>(value: T): Quoted<T> {
  return new Quoted(value)
}

/** Waits for a future, but does not look into its result, or into the value, for more. */
export function opaque<T>(value: PromiseLike<T> | T): Opaque<T> {
  return new Opaque(value)
}
