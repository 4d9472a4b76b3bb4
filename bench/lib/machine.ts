/** What a figure means nothing without: the machine, the runtime, and what one durable write costs its disk. */

import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { median } from './stats.ts'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  /** Processes that wanted to run during the last minute: other people's load, before the bench adds its own. */
  readonly load: number
  readonly node: string
  readonly sqlite: string
  /** Median of a 4 KiB append and its fdatasync in the folder that the stores will use, milliseconds. */
  readonly syncMs: number
}

/** Looks at the machine; writes a small file in `folder` for a moment. */
export function describeMachine(folder: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    load: loadavg()[0] ?? Number.NaN,
    node: process.versions.node,
    sqlite: process.versions.sqlite ?? 'none',
    syncMs: probeSync(folder),
  }
}

/** One line for the head of a report. */
export function machineLine(machine: Machine): string {
  const { cpu, cores, memoryGiB, load, node, sqlite, syncMs } = machine
  return [
    `${cores} × ${cpu}, ${memoryGiB} GiB, load ${load.toFixed(1)}`,
    `Node ${node}, SQLite ${sqlite}`,
    `4 KiB + fdatasync ${syncMs.toFixed(2)} ms`,
  ].join(' · ')
}

function probeSync(folder: string): number {
  const path = join(folder, 'sync.probe')
  const file = openSync(path, 'w')
  const block = new Uint8Array(4096)
  try {
    return median(
      Array.from({ length: 100 }, () => {
        const began = performance.now()
        writeSync(file, block)
        fdatasyncSync(file)
        return performance.now() - began
      }),
    )
  } finally {
    closeSync(file)
    rmSync(path)
  }
}
