/**
 * `npm run simulate -- [--seeds N] [--from S] [--seed S]`: runs seeds until all are done or one fails; a failing one is
 * cut down to what matters and its history printed. `--seed` runs one and prints its history whatever comes.
 */

import { parseArgs } from 'node:util'
import {
  type Scenario,
  type SimulationReport,
  scenarioOf,
  simulate,
  smaller,
} from '../src/testing/simulation/index.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
  },
})

/** Seeds between two signs of life. */
const TOLD_EVERY = 1_000

/** The smallest scenario found that still goes wrong. */
async function shrink(failing: SimulationReport): Promise<SimulationReport> {
  let smallest = failing
  for (let again = true; again; ) {
    again = false
    for (const candidate of smaller(smallest.scenario)) {
      const report = await simulate(candidate)
      if (report.violations.length === 0) continue
      smallest = report
      again = true
      break
    }
  }
  return smallest
}

function print({ scenario, violations, history, steps, virtualMs }: SimulationReport): void {
  console.log(JSON.stringify(scenario, null, 2))
  for (const line of history) console.log(line)
  console.log(`${steps} steps, ${Math.round(virtualMs / 1000)} s of virtual time`)
  for (const violation of violations) console.log(`VIOLATION ${violation}`)
}

async function one(scenario: Scenario): Promise<boolean> {
  const report = await simulate(scenario)
  if (report.violations.length === 0) return true
  console.log(`seed ${scenario.seed} fails:`)
  for (const violation of report.violations) console.log(`  ${violation}`)
  if (!values['keep-going']) {
    console.log('its smallest form that still fails:')
    print(await shrink(report))
    console.log(`run it again: npm run simulate -- --seed ${scenario.seed}`)
  }
  return false
}

if (values.seed !== undefined) {
  const report = await simulate(scenarioOf(Number(values.seed)))
  print(report)
  process.exitCode = report.violations.length === 0 ? 0 : 1
} else {
  const from = Number(values.from)
  const seeds = Number(values.seeds)
  const began = performance.now()
  let failed = 0
  for (let seed = from; seed < from + seeds; seed++) {
    if ((seed - from) % TOLD_EVERY === TOLD_EVERY - 1) console.log(`… ${seed - from + 1}`)
    if (await one(scenarioOf(seed))) continue
    failed++
    if (!values['keep-going']) break
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(`${seeds} seeds from ${from}: ${failed} failed, ${seconds} s`)
  process.exitCode = failed === 0 ? 0 : 1
}
