/** Code that no compiler has looked at: whatever it gives, its run has an end and a log that can be read. */

import { describe, expect, test } from 'vitest'
import * as callboard from '../../src/sdk/public.ts'
import { useStage } from './support/harness.ts'

const stage = useStage()

/** What a JavaScript user may give where something else is meant. */
const JUNK: readonly (readonly [name: string, value: unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 5],
  ['no number', Number.NaN],
  ['an endless number', Number.POSITIVE_INFINITY],
  ['an empty text', ''],
  ['a text', 'x'],
  ['true', true],
  ['a bigint', 7n],
  ['a symbol', Symbol('s')],
  ['a function', () => 1],
  ['a list', [1, null]],
  ['an object', { a: { b: 1 } }],
  ['a date', new Date(0)],
  ['a map', new Map([[1, 2]])],
  ['an error', new Error('e')],
  ['its own circle', circle()],
]

function circle(): unknown {
  const self: { self?: unknown } = {}
  self.self = self
  return self
}

type Say = (junk: never) => unknown

const CALLS: Readonly<Record<string, Say>> = {
  'pauseFlowRun({ message })': (message) => callboard.pauseFlowRun({ timeoutSeconds: 1, message }),
  'pauseFlowRun({ key })': (key) => callboard.pauseFlowRun({ timeoutSeconds: 1, key }),
  'pauseFlowRun({ input })': (input) => callboard.pauseFlowRun({ timeoutSeconds: 1, input }),
  'suspendFlowRun({ message })': (message) => callboard.suspendFlowRun({ timeoutSeconds: 1, message }),
  'waitForSignal(name)': (name) => callboard.waitForSignal(name, { timeout: 1 }),
  'waitForSignal({ schema })': (schema) => callboard.waitForSignal('go', { timeout: 1, schema }),
  'waitForSignal({ timeout })': (timeout) => callboard.waitForSignal('go', { timeout: timeout ?? 1 }),
  'approval({ message })': (message) => callboard.approval({ timeout: 1, message }),
  'approval({ approvers })': (approvers) => callboard.approval({ timeout: 1, message: 'm', approvers }),
  'approval({ quorum })': (quorum) => callboard.approval({ timeout: 1, message: 'm', quorum }),
  'sleep()': (duration) => callboard.sleep(duration),
  'progress(done)': (done) => callboard.progress(done, 2),
  'progress(note)': (note) => callboard.progress(1, 2, note),
  'createArtifact()': (artifact) => callboard.createArtifact(artifact),
  'createArtifact({ description })': (description) =>
    callboard.createArtifact({ kind: 'markdown', markdown: 'm', description }),
  'emitEvent(event)': (event) => callboard.emitEvent(event),
  'emitEvent({ payload })': (payload) => callboard.emitEvent('e', { payload }),
  'transaction({ key })': (key) => callboard.transaction({ key }, async () => 1),
  'concurrency(names)': (names) => callboard.concurrency(names, async () => 1, { timeout: 1 }),
  'getRunLogger().info()': (message) => callboard.getRunLogger().info(message),
  'skip(message)': (message) => callboard.skip(message),
  'a task with an input': (input) =>
    callboard.task({ name: 'untyped-input' }, async (one: unknown) => one)(input),
  'a task with a result': (result) => callboard.task({ name: 'untyped-result' }, async () => result)(),
  'a task that throws': (thrown) =>
    callboard.task({ name: 'untyped-throws' }, async () => {
      throw thrown
    })(),
  'a task that ends failed(message)': (message) =>
    callboard.task({ name: 'untyped-failed' }, async () => callboard.failed(message))(),
  'a task that ends completed({ name })': (name) =>
    callboard.task({ name: 'untyped-completed' }, async () => callboard.completed(1, { name }))(),
  'a task with a tag': (tag) => callboard.task({ name: 'untyped-tags', tags: [tag] }, async () => 1)(),
  'a task with runName': (taskRunName) =>
    callboard.task({ name: 'untyped-name', runName: () => taskRunName }, async () => 1)(),
}

const ENDS: Readonly<Record<string, Say>> = {
  'a result': (result) => result,
  'failed(message)': (message) => callboard.failed(message),
  'failed({ name })': (name) => callboard.failed('m', { name }),
  'failed({ error })': (error) => callboard.failed('m', { error }),
  'completed({ name })': (name) => callboard.completed(1, { name }),
  'completed(data)': (data) => callboard.completed(data),
  'crashed(message)': (message) => callboard.crashed(message),
  'cancelled(message)': (message) => callboard.cancelled(message),
  'skipped(message)': (message) => callboard.skipped(message),
  'a throw': (thrown) => {
    throw thrown
  },
}

async function mustBeReadable(run: string): Promise<void> {
  const read = async () => {
    let records = 0
    for await (const entry of stage.harness.client.records(run)) records += entry.length
    return records
  }
  expect(await stage.harness.until(read())).toBeGreaterThan(0)
}

describe('whatever code gives', () => {
  test.each(Object.entries(CALLS))('to %s, the flow can go on after it', async (name, say) => {
    for (const [what, junk] of JUNK) {
      const { id, state } = await stage.play(
        callboard.flow({ name: `untyped ${name}` }, async () => {
          await Promise.resolve(say(junk as never)).catch(() => {})
          return 'went on'
        }),
      )
      const ended = `${what}: ${state.name}, ${state.message}`
      expect(state.type === 'COMPLETED' || /TimedOut|Failed|Skipped/.test(state.name), ended).toBe(true)
      await mustBeReadable(id)
    }
  })

  test.each(Object.entries(ENDS))(
    'as its end, %s, the run ends and its log can be read',
    async (name, say) => {
      for (const [what, junk] of JUNK) {
        const { id, state } = await stage.play(
          callboard.flow({ name: `untyped end ${name}` }, async () => say(junk as never)),
        )
        expect(state.isFinal(), `${what}: ${state.name}`).toBe(true)
        await mustBeReadable(id)
      }
    },
  )
})

type Tell = (run: callboard.FlowRunHandle, junk: never) => Promise<unknown>

const SIGNALS: Readonly<Record<string, Tell>> = {
  'signal(name)': (run, name) => run.signal(name),
  'signal(payload)': (run, payload) => run.signal('go', payload),
  'pause({ message })': (run, message) => run.pause({ message }),
  'pause({ by })': (run, by) => run.pause({ by }),
  'pause({ key })': (run, key) => run.pause({ key }),
  'resume(input)': (run, input) => run.resume(input),
  'retry({ message })': (run, message) => run.retry({ message }),
  'cancel({ message })': (run, message) => run.cancel({ message }),
  'cancel({ graceSeconds })': (run, graceSeconds) => run.cancel({ graceSeconds }),
}

describe('whatever a run is told', () => {
  test.each(Object.entries(SIGNALS))(
    'by %s, its log can be read and it can be cancelled',
    async (name, tell) => {
      const waiting = callboard.flow({ name: `untyped ${name}` }, () => callboard.sleep('1h'))
      for (const [what, junk] of JUNK) {
        const run = await stage.harness.run(() => waiting.start())
        await stage.harness.until(tell(run, junk as never).catch(() => {}))
        await stage.harness.until(run.cancel().catch(() => {}))
        const state = await stage.harness.until(run.wait())
        expect(state.isFinal(), `${what}: ${state.name}`).toBe(true)
        await mustBeReadable(run.id)
      }
    },
  )
})
