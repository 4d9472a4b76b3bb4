/**
 * Measures two things against each other on a machine that is never quiet.
 *
 * A machine's speed drifts, here by a factor of two within minutes. So subject and floor take turns in short
 * rounds, and the order turns round every time (A B, B A, A B, …): what slows one round slows its neighbour. The
 * result is the median of the rounds' ratios; the two absolute figures beside it are only as good as the day.
 */

import { median } from './stats.ts'

/** Does `n` operations and resolves when the last one is done. */
export type Work = (n: number) => Promise<void>

export interface Contest {
  /** Operations per second, median of the rounds. */
  readonly subject: number
  readonly floor: number
  /** Subject over floor, median of the rounds: 1 is as fast as the floor. */
  readonly ratio: number
  /** The lowest and highest ratio of any round: how much to believe the median. */
  readonly spread: readonly [number, number]
  /** Processor time that this process spends on one operation of the subject, microseconds: what load does not change. */
  readonly cpuMicros: number
}

export interface ContestOptions {
  readonly rounds: number
  /** Operations per round. */
  readonly perRound: number
}

/** The rate of one round, operations per second. */
export async function rateOf(work: Work, n: number): Promise<number> {
  const began = performance.now()
  await work(n)
  return (n / (performance.now() - began)) * 1000
}

/** The rate of one round, and the processor time of this process for one operation of it. */
export async function measured(work: Work, n: number): Promise<{ rate: number; cpuMicros: number }> {
  const before = process.cpuUsage()
  const rate = await rateOf(work, n)
  const { user, system } = process.cpuUsage(before)
  return { rate, cpuMicros: (user + system) / n }
}

/** Lets subject and floor take turns; both get one round before the count starts. */
export async function contest(subject: Work, floor: Work, options: ContestOptions): Promise<Contest> {
  const { rounds, perRound } = options
  await rateOf(subject, perRound)
  await rateOf(floor, perRound)
  const subjectRates: number[] = []
  const floorRates: number[] = []
  const cpu: number[] = []
  const subjectRound = async () => {
    const { rate, cpuMicros } = await measured(subject, perRound)
    subjectRates.push(rate)
    cpu.push(cpuMicros)
  }
  for (let round = 0; round < rounds; round++) {
    const floorFirst = round % 2 === 1
    if (floorFirst) floorRates.push(await rateOf(floor, perRound))
    await subjectRound()
    if (!floorFirst) floorRates.push(await rateOf(floor, perRound))
  }
  const ratios = subjectRates.map((rate, round) => rate / (floorRates[round] ?? Number.NaN))
  return {
    subject: median(subjectRates),
    floor: median(floorRates),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
    cpuMicros: median(cpu),
  }
}
