/**
 * One partition: its statechart's commands carried out, its table kept, its effects performed.
 *
 * Invariants
 * (P1) Timers are fired only while `holding` and the lease is live. Effects too, but while catching up more than
 *      `POSTPONED` may not wait: then they are performed then and there, which is harmless.
 * (P2) What was begun in one life (from acquiring to dropping) changes nothing in the next.
 * (P3) The cursor in a checkpoint has no effect before it that was not performed (but queue items, whose rows say so).
 * (P4) A handler that follows the log never waits for a run, a host or a keeper: effects are under way beside it, and
 *      only when too many are does the log wait.
 * (P5) Whoever writes that a run wants a worker puts it into the queue himself, nearly always. Only what nobody has
 *      claimed a moment later is enqueued here, so that a run does not cost two items.
 */

import { decodeWanted, openRun } from '../actors/index.ts'
import type { Broker, Cursor, Entry } from '../broker/index.ts'
import { assertNever, type Deps, isCallboardError, isRetryable, sleep } from '../core/index.ts'
import { type Checkpoint, checkpointKey, encodeCheckpoint, loadCheckpoint } from './checkpoint.ts'
import type { Follower } from './following.ts'
import { KeptCheckpoint } from './kept-checkpoint.ts'
import { settled, within } from './limiter.ts'
import {
  type PartitionCommand,
  type PartitionEvent,
  type PartitionSnapshot,
  type PartitionState,
  standby,
  step,
} from './partition-chart.ts'
import type { Performer } from './performer.ts'
import { type ArmedTimer, rowOfState, timersOf } from './run-row.ts'
import { concerns, type Outward, RunTable } from './table.ts'
import type { Timers } from './timers.ts'

/** What a partition is given by its scheduler. */
export interface PartitionEdge {
  readonly broker: Broker
  readonly deps: Deps
  readonly performer: Performer
  readonly timers: Timers
  readonly following: { join(follower: Follower): void; leave(partition: number): void }
  /** Entries between two checkpoints, at least. */
  readonly checkpointEvery: number
  /** Whether the lease counts, right now. */
  isLive(partition: number): boolean
  /** Gives the lease back. */
  release(partition: number): Promise<void>
  /** It has changed its state. */
  changed(partition: Partition): void
}

const POSTPONED = 10_000
const UNDER_WAY = 1_000
/** Postponed effects under way at a time. */
const AT_ONCE = 64
/** How long a writer is given to enqueue his run. A run whose writer has died starts so much later. (P5) */
const ENQUEUE_GRACE_MS = 500
const LOAD_AGAIN_MS = 500
/** How long a hand-over waits for effects under way. */
const HAND_OVER_MS = 5_000

/** From acquiring to dropping (P2). */
interface Life {
  isOver: boolean
  /** Wanted when it was caught up; by what they do, the last one counts. */
  readonly postponed: Map<string, Outward>
  readonly underWay: Set<Promise<void>>
  /** (P5) What is left to its writer for a moment. */
  left: Outward[]
  handling: Promise<void>
  saving: Promise<void> | undefined
  readonly kept: KeptCheckpoint
}

export class Partition implements Follower {
  readonly partition: number
  readonly table: RunTable
  cursor: Cursor | undefined
  /** Everything up to here has been looked at for retention. */
  retained: Cursor | undefined
  readonly #edge: PartitionEdge
  #snapshot: PartitionSnapshot = standby
  #life: Life

  constructor(partition: number, edge: PartitionEdge) {
    this.partition = partition
    this.#edge = edge
    this.#life = newLife(edge)
    this.table = new RunTable({
      armed: (timer) => {
        if (this.state === 'holding') edge.timers.add(timer)
      },
      disarmed: (timer) => edge.timers.remove(timer),
    })
  }

  get state(): PartitionState {
    return this.#snapshot.value
  }

  /** (P1) */
  get acts(): boolean {
    return this.state === 'holding' && this.#edge.isLive(this.partition)
  }

  /** Every armed timer of its runs. */
  *timers(): Iterable<ArmedTimer> {
    for (const row of this.table.rows()) yield* timersOf(row)
  }

  send(event: PartitionEvent): void {
    const { to, commands } = step(this.#snapshot, event)
    if (to === this.#snapshot) return
    this.#snapshot = to
    for (const command of commands) this.#do(command)
    this.#edge.changed(this)
  }

  // ── the chart's commands

  #do(command: PartitionCommand): void {
    switch (command.do) {
      case 'take-over':
        this.#begin(this.#life, this.#takeOver(this.#life))
        return
      case 'act':
        this.#act(this.#life)
        return
      case 'hand-over':
        this.#begin(this.#life, this.#handOver(this.#life))
        return
      case 'release':
        this.#begin(this.#life, this.#release(this.#life))
        return
      case 'drop':
        this.#drop()
        return
      default:
        assertNever(command)
    }
  }

  #begin(life: Life, work: Promise<void>): void {
    work.catch(async (error) => {
      const { deps, release } = this.#edge
      deps.logger.error(
        { partition: this.partition, error },
        'a partition could not be taken over or handed on',
      )
      if (life.isOver) return
      await release(this.partition)
      if (!life.isOver) this.send({ type: 'LOST' })
    })
  }

  async #takeOver(life: Life): Promise<void> {
    const checkpoint = await this.#load(life)
    if (life.isOver) return
    life.kept.found(checkpoint)
    for (const row of checkpoint?.rows ?? []) this.table.adopt(row)
    this.cursor = checkpoint?.cursor
    this.retained = checkpoint?.retained
    this.#edge.following.join(this)
  }

  async #load(life: Life): Promise<Checkpoint | undefined> {
    const { broker, deps } = this.#edge
    while (!life.isOver) {
      try {
        return await loadCheckpoint(broker.objects, deps, this.partition)
      } catch (error) {
        deps.logger.debug(
          { partition: this.partition, error },
          'a checkpoint could not be read; it is tried again',
        )
        await sleep(deps.clock, LOAD_AGAIN_MS, undefined, { ref: false })
      }
    }
    return undefined
  }

  #act(life: Life): void {
    for (const timer of this.timers()) this.#edge.timers.add(timer)
    for (const { asked, id, rev, target } of this.table.rows()) {
      if (asked === null || asked.done) continue
      const enqueue: Outward = {
        id: asked.id,
        run: id,
        rev,
        parent: null,
        task: undefined,
        effect: { do: 'enqueue', target },
      }
      life.postponed.set(asked.id, enqueue)
    }
    this.#performPostponed(life)
  }

  async #handOver(life: Life): Promise<void> {
    this.#edge.following.leave(this.partition)
    await life.handling.catch(() => {}) // whoever follows has heard of it
    await life.saving
    this.#performPostponed(life)
    await this.#save(life)
    await this.#release(life)
  }

  async #release(life: Life): Promise<void> {
    if (life.isOver) return // (P2)
    await this.#edge.release(this.partition)
    if (!life.isOver) this.send({ type: 'RELEASED' })
  }

  #drop(): void {
    this.#life.isOver = true
    this.#life = newLife(this.#edge)
    this.#edge.following.leave(this.partition)
    this.table.clear()
    this.cursor = undefined
    this.retained = undefined
  }

  // ── following

  handle(entries: readonly Entry[]): Promise<void> {
    const life = this.#life
    life.handling = this.#handle(life, entries)
    return life.handling
  }

  reached(cursor: Cursor, passed: number): void {
    this.cursor = cursor
    this.#life.kept.passed(passed)
  }

  caughtUp(): void {
    this.send({ type: 'CAUGHT_UP' })
  }

  restart(): void {
    this.#life.kept.lost()
    this.table.clear()
    this.cursor = undefined
    this.retained = undefined
  }

  async #handle(life: Life, entries: readonly Entry[]): Promise<void> {
    for (const entry of entries) {
      const effects = await this.#fold(life, entry)
      if (life.isOver) return
      for (const effect of effects) this.#take(life, effect)
      this.cursor = entry.cursor
      life.kept.handled()
    }
    while (life.underWay.size > UNDER_WAY) await Promise.race(life.underWay) // (P4)
    if (life.kept.own >= Math.max(this.#edge.checkpointEvery, this.table.size)) this.checkpoint()
  }

  /**
   * What the entry asks for. One that cannot be read is passed by: its run stays as it is. A broker that is away is no
   * reason for that: the following begins again from the entry.
   */
  async #fold(life: Life, entry: Entry): Promise<readonly Outward[]> {
    const { broker, deps } = this.#edge
    if (entry.tombstone) {
      this.table.drop(entry.subject)
      return []
    }
    try {
      const records = decodeWanted(entry, concerns)
      const folded = this.table.fold(entry, records)
      if (!folded.mustRead) return folded.effects
      const state = await openRun(broker, deps, entry.subject)
      if (state === undefined || life.isOver) return []
      return this.table.foldRead(entry, records, rowOfState(state)).effects
    } catch (error) {
      if (isRetryable(error) || isCallboardError(error, 'CB_E_STOPPED')) throw error
      const { subject: run, rev } = entry
      deps.logger.error(
        { run, rev, error },
        'an entry cannot be read; the scheduler does nothing for its run',
      )
      return []
    }
  }

  // ── effects

  #take(life: Life, outward: Outward): void {
    if (!this.#edge.performer.isDue(outward, this)) return
    const { effect, run, task } = outward
    if (this.state === 'holding') {
      if (effect.do === 'enqueue') this.#leave(life, outward)
      else this.#perform(life, outward)
    } else if (effect.do !== 'enqueue') {
      // An item for the queue is remembered by its row.
      const signal = effect.do === 'tell-children' ? effect.signal : ''
      life.postponed.set(`${run} ${effect.do} ${signal} ${task}`, outward)
      if (life.postponed.size > POSTPONED) this.#performPostponed(life) // (P1)
    }
  }

  /** (P5) */
  #leave(life: Life, outward: Outward): void {
    if (life.left.push(outward) > 1) return
    const { clock } = this.#edge.deps
    const take = () => {
      const left = life.left.splice(0)
      if (life.isOver) return
      for (const each of left) if (this.#edge.performer.isDue(each, this)) this.#perform(life, each)
    }
    clock.setTimer(ENQUEUE_GRACE_MS, take, { ref: false })
  }

  #performPostponed(life: Life): void {
    const postponed = [...life.postponed.values()]
    life.postponed.clear()
    this.#put(
      life,
      settled(postponed, AT_ONCE, (outward) => this.#try(life, outward)),
    )
  }

  #perform(life: Life, outward: Outward): void {
    this.#put(life, this.#try(life, outward))
  }

  /** Never rejects. */
  #try(life: Life, outward: Outward): Promise<void> {
    const isOurs = () => !life.isOver && this.#edge.isLive(this.partition)
    return this.#edge.performer.perform(outward, { table: this.table, isOurs })
  }

  #put(life: Life, work: Promise<void>): void {
    const done = work.finally(() => life.underWay.delete(done))
    life.underWay.add(done)
  }

  // ── checkpoints

  /** Writes a checkpoint in the background, when there is anything new. */
  checkpoint(): void {
    const life = this.#life
    if (life.saving !== undefined || !life.kept.isBehind || this.state !== 'holding') return
    life.saving = this.#save(life).finally(() => {
      life.saving = undefined
    })
  }

  /** Never rejects: a checkpoint is a shortcut. */
  async #save(life: Life): Promise<void> {
    const { broker, deps, isLive } = this.#edge
    const { cursor, retained, partition, table } = this
    if (cursor === undefined) return
    const { data, digest } = encodeCheckpoint(partition, { cursor, retained, rows: table.rows() })
    const isWorth = life.kept.isWorth({ digest, retained }, table.size)
    if (isWorth) life.kept.writing()
    const isDone = await within(deps.clock, HAND_OVER_MS, Promise.all(life.underWay))
    if (!isWorth || !isDone || life.isOver || !isLive(partition)) return // (P3)
    try {
      await broker.objects.put(checkpointKey(partition), data)
      life.kept.written({ digest, retained })
    } catch (error) {
      deps.logger.warn(
        { partition, error },
        'a checkpoint could not be written; the next take-over reads more of the log',
      )
    }
  }
}

function newLife({ checkpointEvery }: PartitionEdge): Life {
  return {
    isOver: false,
    postponed: new Map(),
    underWay: new Set(),
    left: [],
    handling: Promise.resolve(),
    saving: undefined,
    kept: new KeptCheckpoint(checkpointEvery),
  }
}
