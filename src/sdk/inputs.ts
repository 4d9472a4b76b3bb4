/** Types of what a task may be called with, and of what it gives. */

import type { AllowFailure, Opaque, Quoted, Unmapped } from './annotations.ts'
import type { State } from './state.ts'

/** Stands for a `T` that is not there yet: a future, a state, or one of them wrapped. */
export type Deferred<T> = PromiseLike<T> | State<T> | AllowFailure<T> | Quoted<T> | Opaque<T>

/** A `T`, or something that will be one; also inside lists and records. */
export type Input<T> =
  | T
  | Deferred<T>
  | (T extends readonly (infer E)[]
      ? readonly Input<E>[]
      : T extends (...args: never[]) => unknown
        ? never
        : T extends object
          ? { readonly [K in keyof T]: Input<T[K]> }
          : never)

/** The arguments of a task as its callers may give them. */
export type Inputs<A extends readonly unknown[]> = { [K in keyof A]: Input<A[K]> }

/** The arguments of a `map`: for each one a list of what the task takes, or one value for all. */
export type MapInputs<A extends readonly unknown[]> = { [K in keyof A]: MapInput<A[K]> }

export type MapInput<T> =
  | Iterable<Input<T>>
  | PromiseLike<Iterable<T>>
  | Unmapped<Input<T>>
  | Unmapped<T>
  | (T extends string ? T : never)

/** What a function's return type means as a result: lists of what generators yield, data of states. */
export type ResultOf<R> =
  R extends AsyncGenerator<infer Y, unknown, unknown>
    ? Y[]
    : R extends Generator<infer Y, unknown, unknown>
      ? Y[]
      : Unstated<Awaited<R>>

type Unstated<T> = T extends State<infer Data> ? Data : T

/** What a flow's return type means as a result: also futures and states inside lists and records are resolved. */
export type FlowResultOf<R> = Settled<Awaited<R>>

type Settled<T> =
  T extends State<infer Data>
    ? Data
    : T extends PromiseLike<infer Value>
      ? Settled<Value>
      : T extends readonly unknown[]
        ? { -readonly [K in keyof T]: Settled<T[K]> }
        : T
