/**
 * `npm run bench -- <suite> [--broker <name>] [--quick] [--dir <folder>]`
 *
 * Prints a table per broker and writes everything to `bench/results/`. Not part of the tests: nothing fails because a
 * machine is slow.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/core/index.ts'
import { describeMachine, machineLine } from './lib/machine.ts'
import { type Row, renderSection, type Section, saveReport } from './lib/results.ts'
import { STANDS, type Stand, type StandName } from './lib/stands.ts'
import { formatFigure } from './lib/table.ts'
import { measureBroker } from './suites/broker.ts'
import { measureEngine } from './suites/engine.ts'
import { measureGateway } from './suites/gateway.ts'
import { measureSdk } from './suites/sdk.ts'
import { measureWorker } from './suites/worker.ts'

/** A suite measures one stand and yields a row as soon as it has it. */
type Measure = (stand: Stand, quick: boolean) => AsyncIterable<Row>

const SUITES: Readonly<Record<string, Measure>> = {
  broker: measureBroker,
  engine: measureEngine,
  gateway: measureGateway,
  sdk: measureSdk,
  worker: measureWorker,
}

const USAGE = `npm run bench -- <suite> [--broker <name>] [--quick] [--dir <folder>]

  suite     ${Object.keys(SUITES).join(', ')} (default: broker)
  --broker  ${Object.keys(STANDS).join(', ')}, or all (default: all)
  --quick   fewer and shorter rounds: to see that it works, not to quote
  --dir     where the stores go (default: a temporary folder); it decides which disk is measured`

const isStand = (name: string): name is StandName => name in STANDS

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    broker: { type: 'string', default: 'all' },
    quick: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
})
const { quick, dir, help } = values
const [suite = 'broker'] = positionals
const names = values.broker === 'all' ? Object.keys(STANDS) : values.broker.split(',')
const measure = SUITES[suite]

/** Ended early, it still ends the servers it started: they go with this process's orderly exit. */
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

if (help || measure === undefined || !names.every(isStand)) {
  console.log(USAGE)
  process.exitCode = help ? 0 : 2
} else {
  const folder = await mkdtemp(join(dir, 'callboard-bench-'))
  try {
    await runSuite(suite, measure, names, folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function runSuite(
  suite: string,
  measure: Measure,
  names: readonly StandName[],
  folder: string,
): Promise<void> {
  const machine = describeMachine(folder)
  console.log(`${suite}${quick ? ', quick (not to be quoted)' : ''} · ${machineLine(machine)}\n`)
  const sections: Section[] = []
  for (const name of names) {
    const section = await measureStand(name, measure, folder)
    console.log(`${renderSection(section)}\n`)
    sections.push(section)
  }
  const at = new Date(systemClock.now()).toISOString()
  console.log(`Written to ${await saveReport({ suite, at, quick, machine, sections })}`)
}

async function measureStand(name: StandName, measure: Measure, folder: string): Promise<Section> {
  const stand = await STANDS[name](folder)
  try {
    const { driver, version, durability, replicas } = stand.broker.capabilities
    const rows: Row[] = []
    for await (const row of measure(stand, quick)) {
      rows.push(row)
      console.error(`${name}: ${row.workload}: ${formatFigure(row.value, row.unit)}`)
    }
    return { broker: { driver, version, durability, replicas }, rows }
  } finally {
    await stand.close()
  }
}
