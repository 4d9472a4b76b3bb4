/** `map`: one task run per element of what is handed over. */

import { CallboardError } from '../core/index.ts'
import { Unmapped } from './annotations.ts'
import { TaskFuture } from './future.ts'
import { TaskFutureList } from './future-list.ts'
import { gateOf, identify } from './identity.ts'
import { parts } from './parts.ts'
import type { Scope } from './scope.ts'
import { State } from './state.ts'
import type { TaskDefinition } from './task-definition.ts'

/** What is the same for all, or one value per element. */
type Column = { readonly all: unknown } | { readonly each: ArrayLike<unknown> | TaskFutureList<unknown> }

export function mapTask(
  scope: Scope,
  task: TaskDefinition,
  args: readonly unknown[],
  waitFor: readonly unknown[],
): TaskFutureList<unknown> {
  const isReady = !args.some(isAwaited)
  const columns = isReady ? columnsOf(task, args) : undefined
  const length = columns === undefined ? undefined : lengthOf(task, columns)
  // The identities are taken now, for all (the order of calls is the code's); how many is not always known yet.
  const ids = length === undefined ? undefined : Array.from({ length }, () => identify(scope, task.name))
  const group = ids === undefined ? identify(scope, `${task.name}:map`) : ''
  let later: readonly Column[] | undefined
  const found = columns ?? columnsLater(task, args)
  const list = new TaskFutureList<unknown>({
    clock: scope.flow.env.deps.clock,
    length:
      found instanceof Promise
        ? found.then((known) => {
            later = known
            return lengthOf(task, known)
          })
        : lengthOf(task, found),
    idOf: (place) => ids?.[place] ?? `${group}-${place}`,
    run: (place) =>
      parts().callTask({
        scope,
        task,
        args: (columns ?? later ?? []).map((column) => cellOf(column, place)),
        id: ids?.[place] ?? `${group}-${place}`,
        waitFor,
        gate: gateOf(scope),
      }),
    seen: () => {
      submitted.isSeen = true
    },
  })
  const submitted = scope.flow.pending.add(task.name, list.ended)
  return list
}

function isAwaited(arg: unknown): boolean {
  return arg instanceof TaskFuture || arg instanceof State || isPromise(arg)
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return value instanceof Promise
}

async function columnsLater(task: TaskDefinition, args: readonly unknown[]): Promise<readonly Column[]> {
  const resolved = await Promise.all(
    args.map(async (arg) => {
      if (arg instanceof TaskFuture) return (await arg.wait()).result()
      if (arg instanceof State) return arg.result()
      return isPromise(arg) ? await arg : arg
    }),
  )
  return columnsOf(task, resolved)
}

/** @throws CB_E_MAP_LENGTHS, CB_E_MAP_NOTHING */
function columnsOf(task: TaskDefinition, args: readonly unknown[]): readonly Column[] {
  const columns = args.map(columnOf)
  const lists = columns.flatMap((column, place) =>
    'each' in column ? [{ place, length: column.each.length }] : [],
  )
  const [first, ...others] = lists
  if (first === undefined)
    throw new CallboardError(
      'CB_E_MAP_NOTHING',
      `Task '${task.name}' was mapped over nothing: none of its arguments can be gone through. Hand over a list, or call it without map.`,
    )
  if (others.some(({ length }) => length !== first.length)) {
    const found = lists.map(({ place, length }) => `argument ${place + 1} has ${length}`).join(', ')
    throw new CallboardError(
      'CB_E_MAP_LENGTHS',
      `Task '${task.name}' was mapped over lists of different lengths: ${found}. Make them equal, or wrap what is the same for all in unmapped().`,
    )
  }
  return columns
}

function columnOf(arg: unknown): Column {
  if (arg instanceof Unmapped) return { all: arg.value }
  if (arg instanceof TaskFutureList || Array.isArray(arg)) return { each: arg }
  if (typeof arg === 'object' && arg !== null && isIterable(arg)) return { each: [...arg] }
  return { all: arg }
}

function isIterable(value: object): value is Iterable<unknown> {
  return Symbol.iterator in value && typeof value[Symbol.iterator] === 'function'
}

function lengthOf(task: TaskDefinition, columns: readonly Column[]): number {
  for (const column of columns) if ('each' in column) return column.each.length
  throw new CallboardError('CB_E_BUG', `Task '${task.name}' is mapped over nothing. Please report this.`)
}

function cellOf(column: Column, place: number): unknown {
  if ('all' in column) return column.all
  return column.each instanceof TaskFutureList ? column.each.at(place) : column.each[place]
}
