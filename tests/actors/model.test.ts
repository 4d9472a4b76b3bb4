/**
 * The charts, walked through their own graphs: every state and every edge that events can reach. The edges stand in
 * `golden/`: a change of a chart shows there, line by line, for a person to look at.
 */

import { describe, expect, test } from 'vitest'
import { fromTransition } from 'xstate'
import { adjacencyMapToArray, getAdjacencyMap, getShortestPaths, getSimplePaths } from 'xstate/graph'
import { type Chart, type Counted, chartOf } from '../../src/actors/chart.ts'
import { flowChart, flowMachine } from '../../src/actors/flow-chart.ts'
import { beginFlow } from '../../src/actors/flow-plans.ts'
import { beginTask, taskChart, taskMachine } from '../../src/actors/task-chart.ts'
import { flowEvents, NOW, taskEvents, WALKED_FLOW, WALKED_TASK } from './support/alphabet.ts'
import { armedBy, expectLegalFlow, expectLegalTask } from './support/invariants.ts'
import {
  type ChartSnapshot,
  type Effect,
  FLOW_STATES,
  type FlowContext,
  type FlowEvent,
  isTerminalTag,
  TASK_STATES,
  type TaskContext,
} from './support/room.ts'

function begin(scheduledTime: number): ChartSnapshot<FlowContext> {
  return {
    tag: 'SCHEDULED.Scheduled',
    context: beginFlow({ at: NOW, scheduledTime, policy: WALKED_FLOW }).context,
  }
}

/** Where a run stands, without the numbers that only grow. */
function shapeOfFlow({ tag, context }: ChartSnapshot<FlowContext>): string {
  const { worker, failures, recoveryCount, retrying, resuming, hold, wants, timers, startTime } = context
  return JSON.stringify([
    tag,
    worker !== null,
    failures,
    recoveryCount,
    retrying,
    resuming,
    hold && [hold.kind, hold.by, hold.quiescedAt !== null],
    wants,
    Object.keys(timers).sort(),
    startTime !== null,
  ])
}

function shapeOfTask({ tag, context }: ChartSnapshot<TaskContext>): string {
  return JSON.stringify([tag, context.failures, Object.keys(context.timers), context.startTime !== null])
}

interface Walked<Context, Event> {
  readonly chart: Chart<Context, Event>
  readonly start: ChartSnapshot<Context>
  readonly events: (snapshot: ChartSnapshot<Context>) => readonly Event[]
  readonly shape: (snapshot: ChartSnapshot<Context>) => string
}

const FLOW: Walked<FlowContext, FlowEvent> = {
  chart: flowChart,
  start: begin(2 * NOW),
  events: flowEvents,
  shape: shapeOfFlow,
}
const TASK = { chart: taskChart, start: beginTask(WALKED_TASK), events: taskEvents, shape: shapeOfTask }
const TASK_WITHOUT_SLOTS = { ...TASK, start: beginTask({ ...WALKED_TASK, limits: [] }) }

/** The chart as actor logic that the graph tools can walk, and how. */
function walk<Context extends Counted, Event extends { readonly type: string }>(
  walked: Walked<Context, Event>,
) {
  const { chart, start, events, shape } = walked
  const logic = fromTransition((from: ChartSnapshot<Context>, event: Event) => {
    const step = chart.step(from, event)
    if (step.is === 'poisoned') throw new Error(step.error)
    return step.is === 'moved' ? step.to : from
  }, start)
  const options = {
    events: ({ context }: { context: ChartSnapshot<Context> }) => events(context),
    serializeState: ({ context }: { context: ChartSnapshot<Context> }) => shape(context),
    serializeEvent: (event: Event) => JSON.stringify(event),
    limit: 1_000_000,
  }
  return { logic, options }
}

function edgesOf<Context extends Counted, Event extends { readonly type: string }>(
  walked: Walked<Context, Event>,
) {
  const { logic, options } = walk(walked)
  const map = getAdjacencyMap(logic, options)
  const edges = adjacencyMapToArray(map)
    .filter(({ state, nextState }) => nextState.context !== state.context)
    .map(({ state, event, nextState }) => `${state.context.tag} ${event.type} ${nextState.context.tag}`)
  const snapshots = Object.values(map).map(({ state }) => state.context)
  return { snapshots, edges: [...new Set(edges)].sort() }
}

/** Every step from these situations, by the ways the chart remembers and by XState alone: without its planner it remembers none. */
function expectStepsOfXState<Context extends Counted, Event extends { readonly type: string }>(
  { chart, events }: Walked<Context, Event>,
  byXState: Chart<Context, Event>,
  snapshots: readonly ChartSnapshot<Context>[],
): void {
  let moved = 0
  for (const from of snapshots) {
    for (const event of events(from)) {
      const step = chart.step(from, event)
      expect(step, `${from.tag} ${event.type}`).toEqual(byXState.step(from, { ...event }))
      if (step.is === 'moved') moved++
    }
  }
  expect(moved).toBeGreaterThan(snapshots.length)
}

const tagsOf = (states: Readonly<Record<string, readonly string[]>>) =>
  Object.entries(states).flatMap(([type, names]) => names.map((name) => `${type}.${name}`))

describe('the flow-run chart', () => {
  const { snapshots, edges } = edgesOf(FLOW)

  test('has the states of the vocabulary and no other', () => {
    expect([...flowChart.tags].sort()).toEqual(tagsOf(FLOW_STATES).sort())
  })

  test('reaches every one of its states', () => {
    const reached = new Set(snapshots.map(({ tag }) => tag))
    reached.delete('COMPLETED.Wise')
    expect([...reached].sort()).toEqual(tagsOf(FLOW_STATES).sort())
  })

  test('has these edges', async () => {
    await expect(`${edges.join('\n')}\n`).toMatchFileSnapshot('golden/flow-edges.txt')
  })

  test('leaves a terminal state by RETRY only, and CANCELLING for CANCELLED only', () => {
    for (const edge of edges) {
      const [from = '', event, to = ''] = edge.split(' ')
      if (/^(COMPLETED|FAILED|CRASHED|CANCELLED)\./.test(from)) expect(event, edge).toBe('RETRY')
      if (from === 'CANCELLING.Cancelling') expect(to, edge).toBe('CANCELLED.Cancelled')
    }
  })

  test('is somewhere legal at the end of the shortest path to every situation, and its effects tell its timers', () => {
    const { logic, options } = walk(FLOW)
    const paths = getShortestPaths(logic, options)
    expect(paths.length).toBeGreaterThan(250)
    for (const { steps } of paths) {
      let at = FLOW.start
      const effects: Effect[] = [
        ...beginFlow({ at: NOW, scheduledTime: 2 * NOW, policy: WALKED_FLOW }).effects,
      ]
      for (const { event } of steps.slice(1)) {
        const step = flowChart.step(at, event)
        if (step.is !== 'moved') throw new Error(`${event.type} in ${at.tag}: ${step.is}`)
        effects.push(...step.effects)
        at = step.to
        expectLegalFlow(at)
        expect(armedBy(effects)).toEqual(at.context.timers)
      }
    }
  })

  test('takes from every situation the steps that XState takes', () => {
    expectStepsOfXState(FLOW, chartOf(flowMachine), snapshots)
  })

  test('counts every accepted event, over every sequence of up to five of them', () => {
    let walked = 0
    const go = (from: ChartSnapshot<FlowContext>, left: number) => {
      walked++
      if (left === 0) return
      for (const event of flowEvents(from)) {
        const step = flowChart.step(from, event)
        if (step.is !== 'moved') continue
        expectLegalFlow(step.to)
        expect(step.to.context.n).toBe(from.context.n + 1)
        go(step.to, left - 1)
      }
    }
    go(begin(NOW), 5)
    expect(walked).toBeGreaterThan(5_000)
  })

  test('gives slots back with its host, unless it only changes hands', () => {
    for (const from of snapshots) {
      for (const event of flowEvents(from)) {
        const step = flowChart.step(from, event)
        if (step.is !== 'moved' || from.context.worker === null || step.to.context.worker !== null) continue
        const given = step.effects.filter((effect) => effect.do === 'release-slots').length
        const isHandedOver = /AwaitingRecovery|AwaitingConcurrencySlot/.test(step.to.tag)
        expect(given, `${from.tag} ${event.type}`).toBe(isHandedOver ? 0 : 1)
      }
    }
  })

  test('brings a run whose host is gone to a worker, a timer, a person or its end', () => {
    for (const from of snapshots) {
      for (const event of flowEvents(from)) {
        const step = flowChart.step(from, event)
        if (step.is !== 'moved' || step.to.tag === from.tag) continue
        const { tag, context } = step.to
        if (context.worker !== null || isTerminalTag(tag)) continue
        const isQueued = step.effects.some((effect) => effect.do === 'enqueue')
        const isTimed = Object.keys(context.timers).some((timer) => timer !== 'late')
        const isAwaited = context.hold !== null || context.wants.length > 0
        const isInLine = tag === 'SCHEDULED.AwaitingConcurrencySlot'
        const wasQueued = from.tag === 'SCHEDULED.Scheduled' && tag === 'SCHEDULED.Late'
        expect(
          isQueued || isTimed || isAwaited || isInLine || wasQueued,
          `${from.tag} ${event.type} ${tag}`,
        ).toBe(true)
      }
    }
  })
})

describe('the task-run chart', () => {
  const { snapshots, ...withSlots } = edgesOf(TASK)
  const edges = [...new Set([...withSlots.edges, ...edgesOf(TASK_WITHOUT_SLOTS).edges])].sort()

  test('has the states of the vocabulary and no other', () => {
    expect([...taskChart.tags].sort()).toEqual(tagsOf(TASK_STATES).sort())
  })

  test('reaches every one of its states', () => {
    const reached = new Set(snapshots.map(({ tag }) => tag))
    reached.delete('COMPLETED.Wise')
    expect([...reached].sort()).toEqual(tagsOf(TASK_STATES).sort())
  })

  test('has these edges', async () => {
    await expect(`${edges.join('\n')}\n`).toMatchFileSnapshot('golden/task-edges.txt')
  })

  test('leaves a terminal state for RolledBack only', () => {
    for (const edge of edges) {
      const [from = '', , to] = edge.split(' ')
      if (isTerminalTag(from as ChartSnapshot<TaskContext>['tag']))
        expect(to, edge).toBe('COMPLETED.RolledBack')
    }
  })

  test('takes from every situation the steps that XState takes', () => {
    expectStepsOfXState(TASK, chartOf(taskMachine), snapshots)
  })

  test('is somewhere legal all along every simple path, and its effects tell its timers', () => {
    const { logic, options } = walk(TASK)
    const paths = getSimplePaths(logic, { ...options, serializeEvent: (event) => event.type })
    expect(paths.length).toBeGreaterThan(100)
    for (const { steps } of paths) {
      let at = TASK.start
      const effects: Effect[] = []
      for (const { event } of steps.slice(1)) {
        const step = taskChart.step(at, event)
        if (step.is !== 'moved') throw new Error(`${event.type} in ${at.tag}: ${step.is}`)
        effects.push(...step.effects)
        at = step.to
        expectLegalTask(at)
        expect(armedBy(effects)).toEqual(at.context.timers)
      }
    }
  })

  test('gives a slot back once for every time it had one and still has its host', () => {
    const holds = (tag: string) => /^(RUNNING|CANCELLING)\.|\.AwaitingConcurrencySlot$/.test(tag)
    for (const from of snapshots) {
      for (const event of taskEvents(from)) {
        const step = taskChart.step(from, event)
        if (step.is !== 'moved') continue
        const given = step.effects.filter((effect) => effect.do === 'release-slots').length
        const isLeft = holds(from.tag) && !holds(step.to.tag) && event.type !== 'RECOVER'
        expect(given, `${from.tag} ${event.type}`).toBe(isLeft ? 1 : 0)
      }
    }
  })
})
