/** What a suite measured: the rows of its tables, and the file they are kept in. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Capabilities } from '../../src/broker/index.ts'
import type { Machine } from './machine.ts'
import { formatFigure, renderTable } from './table.ts'

export type Unit = 'ms' | '/s'

/** What must come out. `ratio`: at least this share of the floor. `rate`: at least so many a second. */
export type Target =
  | { readonly kind: 'ratio'; readonly atLeast: number }
  | { readonly kind: 'rate'; readonly atLeast: number }

export interface Row {
  readonly workload: string
  readonly unit: Unit
  /** The rate, or the median time. */
  readonly value: number
  /** 99th percentile, for times. */
  readonly p99?: number
  /** The raw client doing the least that the workload needs, in the same run. */
  readonly floor?: { readonly name: string; readonly value: number }
  /** Value over floor, median over the rounds; for rates, more is better. */
  readonly ratio?: number
  readonly spread?: readonly [number, number]
  readonly target?: Target
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

function targetText({ target }: Row): string {
  if (target === undefined) return ''
  return target.kind === 'ratio' ? `≥ ${percent(target.atLeast)}` : `≥ ${formatFigure(target.atLeast, '/s')}`
}

function verdict({ target, ratio = Number.NaN, value }: Row): string {
  if (target === undefined) return ''
  return (target.kind === 'ratio' ? ratio : value) >= target.atLeast ? 'met' : 'MISSED'
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
        cell: (row) => (row.ratio === undefined ? '' : percent(row.ratio)),
      },
      {
        title: 'rounds',
        align: 'right',
        cell: (row) => (row.spread ? row.spread.map((share) => percent(share)).join(' to ') : ''),
      },
      { title: 'target', align: 'right', cell: targetText },
      { title: '', cell: verdict },
      { title: 'what the floor is', cell: (row) => row.floor?.name ?? '' },
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
