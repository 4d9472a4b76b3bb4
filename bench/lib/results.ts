/** What a suite measured: the rows of its tables, and the file they are kept in. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Capabilities } from '../../src/broker/index.ts'
import type { Machine } from './machine.ts'
import { formatFigure, renderTable } from './table.ts'

export type Unit = 'ms' | '/s' | 'MB'

/**
 * What must come out. `ratio`: at least this share of the floor. `rate`: at least so many a second. `times`: at most so
 * many times the floor's time. `most`: at most so much, in the row's unit.
 */
export type Target =
  | { readonly kind: 'ratio'; readonly atLeast: number }
  | { readonly kind: 'rate'; readonly atLeast: number }
  | { readonly kind: 'times'; readonly atMost: number }
  | { readonly kind: 'most'; readonly atMost: number }

export interface Row {
  readonly workload: string
  readonly unit: Unit
  /** The rate, or the median time. */
  readonly value: number
  /** 99th percentile, for times. */
  readonly p99?: number
  /** The raw client doing the least that the workload needs, in the same run. */
  readonly floor?: { readonly name: string; readonly value: number }
  /** Value over floor, median over the rounds: for rates more is better, for times less. */
  readonly ratio?: number
  readonly spread?: readonly [number, number]
  readonly target?: Target
  /** What else was seen. */
  readonly note?: string
}

/** One broker's rows. */
export interface Section {
  readonly broker: Pick<Capabilities, 'driver' | 'version' | 'durability' | 'replicas'>
  readonly rows: readonly Row[]
}

export interface Report {
  readonly suite: string
  /** ISO 8601. */
  readonly at: string
  readonly quick: boolean
  readonly machine: Machine
  readonly sections: readonly Section[]
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

/** A share of a rate, a multiple of a time. */
const relation = (ratio: number, unit: Unit): string =>
  unit === '/s' ? percent(ratio) : `${ratio.toFixed(2)} ×`

function targetText({ target, unit }: Row): string {
  switch (target?.kind) {
    case undefined:
      return ''
    case 'ratio':
      return `≥ ${percent(target.atLeast)}`
    case 'rate':
      return `≥ ${formatFigure(target.atLeast, '/s')}`
    case 'times':
      return `≤ ${target.atMost} ×`
    case 'most':
      return `≤ ${formatFigure(target.atMost, unit)}`
  }
}

function isMet(target: Target, { ratio = Number.NaN, value }: Row): boolean {
  switch (target.kind) {
    case 'ratio':
      return ratio >= target.atLeast
    case 'rate':
      return value >= target.atLeast
    case 'times':
      return ratio <= target.atMost
    case 'most':
      return value <= target.atMost
  }
}

function verdict(row: Row): string {
  if (row.target === undefined) return ''
  return isMet(row.target, row) ? 'met' : 'MISSED'
}

/** The table of one broker under a line that says what its figures stand for. */
export function renderSection({ broker, rows }: Section): string {
  const head = `${broker.driver} ${broker.version} · an acknowledged append survives: ${survives(broker.durability)} · copies: ${broker.replicas}`
  const table = renderTable<Row>(
    [
      { title: 'workload', cell: (row) => row.workload },
      { title: 'measured', align: 'right', cell: (row) => formatFigure(row.value, row.unit) },
      {
        title: 'p99',
        align: 'right',
        cell: (row) => (row.p99 === undefined ? '' : formatFigure(row.p99, row.unit)),
      },
      {
        title: 'floor',
        align: 'right',
        cell: (row) => (row.floor ? formatFigure(row.floor.value, row.unit) : ''),
      },
      {
        title: 'of floor',
        align: 'right',
        cell: (row) => (row.ratio === undefined ? '' : relation(row.ratio, row.unit)),
      },
      {
        title: 'rounds',
        align: 'right',
        cell: (row) => (row.spread ? row.spread.map((share) => relation(share, row.unit)).join(' to ') : ''),
      },
      { title: 'target', align: 'right', cell: targetText },
      { title: '', cell: verdict },
      { title: 'what the floor is', cell: (row) => row.floor?.name ?? '' },
      { title: 'seen', cell: (row) => row.note ?? '' },
    ],
    rows,
  )
  return `${head}\n\n${table}`
}

function survives(durability: Capabilities['durability']): string {
  switch (durability) {
    case 'none':
      return 'nothing (memory only)'
    case 'process':
      return 'the death of a process, not a power cut'
    case 'power':
      return 'a power cut'
  }
}

/** Writes the report under `bench/results/` and returns the path, relative to the repository. */
export async function saveReport(report: Report): Promise<string> {
  const folder = 'bench/results'
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const name = `${report.suite}-${report.at.replaceAll(/[:.]/g, '-')}.json`
  await mkdir(join(root, folder), { recursive: true })
  await writeFile(join(root, folder, name), `${JSON.stringify(report, null, 2)}\n`)
  return `${folder}/${name}`
}
