/** Watches a run until it ends: drawn over itself on a terminal, line after line in a pipe. */

import { type GatewayClient, isOver, type LiveItem, RunFold } from '../../client/index.ts'
import { sleep } from '../../core/index.ts'
import type { Context } from '../context.ts'
import {
  artifactSummary,
  clockText,
  colourOf,
  lineText,
  type Output,
  oneLine,
  shortId,
  spanText,
  traceText,
} from '../output/index.ts'
import { drawRun } from './tree.ts'

const REDRAW_MS = 120
const KEPT_LINES = 50
const ASK_AGAIN_MS = 250

/** `false` when it did not complete. */
export async function watchRun(
  context: Context,
  client: GatewayClient,
  run: string,
  { plain = false }: { readonly plain?: boolean } = {},
): Promise<boolean> {
  const fold = new RunFold({ lines: KEPT_LINES })
  const items = client.flowRuns.watch(run, { after: 'start', onWait: sayOnce(context.out) })
  if (context.out.isTerminal && !plain) await draw(context, fold, items)
  else for await (const item of items) tell(context.out, fold, item)
  return conclude(context.out, fold)
}

/** That the gateway cannot begin yet. */
export function sayOnce(out: Output): (why: Error) => void {
  let isSaid = false
  return ({ message }) => {
    if (!isSaid) out.note(`Waiting for the gateway: ${message}`)
    isSaid = true
  }
}

/** A run is looked for by its name among those that the gateway has read. */
export async function untilCaughtUp({ deps, out }: Context, client: GatewayClient): Promise<void> {
  for (let asked = 0; !(await client.ready()).caughtUp; asked++) {
    if (asked === 0) out.note('Waiting for the gateway: it is still reading the log.')
    await sleep(deps.clock, ASK_AGAIN_MS)
  }
}

async function draw({ out, deps }: Context, fold: RunFold, items: AsyncIterable<LiveItem>): Promise<void> {
  const { createLogUpdate } = await import('log-update')
  const update = createLogUpdate(out.stdout)
  // A terminal that does not know its size says 0.
  const columns = out.stdout.columns || 80
  const rows = out.stdout.rows || 24
  let cancel = () => {}
  const redraw = () => {
    update(drawRun(fold, out, deps.clock.now(), { columns, rows }))
    const timer = deps.clock.setTimer(REDRAW_MS, redraw)
    cancel = () => timer.cancel()
  }
  redraw()
  try {
    for await (const item of items) fold.apply(item)
  } finally {
    cancel()
    update(drawRun(fold, out, deps.clock.now(), { columns, rows: Number.POSITIVE_INFINITY }))
    update.done()
  }
}

/** What has just happened, as a line. */
function tell(out: Output, fold: RunFold, item: LiveItem): void {
  fold.apply(item)
  const { run } = fold
  switch (item.kind) {
    case 'state': {
      const { state, overtook = [] } = item.data
      for (const one of [...overtook, state])
        out.line(eventLine(out, one.timestamp, run?.name ?? item.run, one))
      break
    }
    case 'task': {
      const { key, state, overtook = [] } = item.data
      if (key === undefined || state.type === 'PENDING') break
      for (const one of overtook) out.line(eventLine(out, one.timestamp, key, one))
      const taskRun = fold.taskRuns.find((one) => one.key === key)
      const took = taskRun !== undefined && isOver(state) ? `  ${spanText(taskRun.totalRunMs)}` : ''
      out.line(eventLine(out, state.timestamp, key, state) + took)
      break
    }
    case 'log':
      out.line(lineText(out, item.data))
      break
    case 'artifact': {
      const { key = '', kind, task, timestamp } = item.data
      const by = out.colour('blue', task ?? run?.name ?? item.run)
      const what = key === '' ? kind : `${kind} ${key}`
      out.line(
        `${out.colour('dim', clockText(timestamp))} MADE  ${by} ${what}  ${artifactSummary(item.data)}`,
      )
      break
    }
    case 'gap':
      out.note('Some events could not be given: they came faster than they were read.')
  }
}

function eventLine(
  out: Output,
  at: string,
  name: string,
  state: {
    readonly type: Parameters<typeof colourOf>[0]['type']
    readonly name: string
    readonly message?: string
  },
): string {
  const message = state.message === undefined ? '' : `  ${state.message.split('\n')[0]}`
  return `${out.colour('dim', clockText(at))} STATE ${out.colour('blue', name)} ${out.colour(colourOf(state), state.name)}${message}`
}

function conclude(out: Output, { artifacts, run }: RunFold): boolean {
  if (run === undefined) return false
  const { state } = run
  out.line()
  out.line(`${run.name} ${out.colour(colourOf(state), state.name)} after ${spanText(run.totalRunMs)}`)
  if (state.type === 'COMPLETED' && state.data !== undefined) out.line(`result: ${oneLine(state.data)}`)
  const why = traceText(state) ?? state.message
  if (state.type !== 'COMPLETED' && why !== undefined) out.line(why)
  if (artifacts.length > 0) out.line(`artifacts: callboard artifact ls --run ${shortId(run.id)}`)
  return state.type === 'COMPLETED'
}
