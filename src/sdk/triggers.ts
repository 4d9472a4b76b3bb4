/** Whether a task may run, by how the runs it depends on ended. Pure. */

import type { State } from './state.ts'

export const TRIGGERS = [
  'allSuccessful',
  'allFinished',
  'always',
  'anySuccessful',
  'anyFailed',
  'allFailed',
  'manualOnly',
] as const

/**
 * `allSuccessful` (the default), `allFinished` and its other name `always`, `anySuccessful`, `anyFailed`, `allFailed`,
 * and `manualOnly`: waits until somebody resumes it.
 */
export type Trigger = (typeof TRIGGERS)[number]

export type Verdict =
  | { readonly is: 'run' }
  | { readonly is: 'not-ready' | 'trigger-failed'; readonly message: string }
  | { readonly is: 'skip'; readonly message: string }
  | { readonly is: 'hold'; readonly message: string }

const RUN: Verdict = { is: 'run' }

export function judgeTrigger(
  trigger: Trigger,
  upstream: readonly State[],
  skipOnUpstreamSkip: boolean,
): Verdict {
  if (trigger === 'manualOnly') return { is: 'hold', message: 'Waits to be resumed by hand.' }
  if (upstream.length === 0) return RUN
  const skipped = upstream.find((state) => state.name === 'Skipped')
  if (skipOnUpstreamSkip && skipped !== undefined)
    return { is: 'skip', message: `Upstream task run '${skipped.run}' was skipped.` }
  const failed = upstream.filter((state) => !state.isCompleted())
  const successes = upstream.length - failed.length
  const met = (condition: boolean): Verdict =>
    condition
      ? RUN
      : {
          is: 'trigger-failed',
          message: `The trigger ${trigger} was not met: ${successes}/${upstream.length} upstream runs completed.`,
        }
  switch (trigger) {
    case 'allSuccessful': {
      const [first] = failed
      if (first === undefined) return RUN
      return {
        is: 'not-ready',
        message: `Upstream task run '${first.run ?? first.name}' did not reach a 'COMPLETED' state.`,
      }
    }
    case 'anySuccessful':
      return met(successes > 0)
    case 'anyFailed':
      return met(failed.length > 0)
    case 'allFailed':
      return met(successes === 0)
    case 'allFinished':
    case 'always':
      return RUN
  }
}
