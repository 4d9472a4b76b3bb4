/** `callboard doctor`: looks at everything a run depends on and says what to change. */

import { Command } from '@commander-js/extra-typings'
import type { Context } from '../context.ts'
import { checkBroker, checkGateway, checkNode, checkSettings, type Finding } from '../doctor/index.ts'
import { CommandFailure } from '../exits.ts'

const MARKS = { good: ['✓', 'green'], weak: ['!', 'yellow'], bad: ['✗', 'red'] } as const

export function doctorCommand(context: Context) {
  return new Command('doctor')
    .description(
      'Checks settings, broker, gateway and clocks, and says what to change. Ends with 1 when something is wrong.',
    )
    .option('--json', 'as JSON')
    .action(async ({ json }) => {
      const { out } = context
      const findings: Finding[] = []
      for (const check of [checkNode, checkSettings, checkBroker, checkGateway])
        findings.push(...(await out.during('Looking', check(context))))
      if (json === true) out.json(findings)
      else
        for (const { is, what, advice } of findings) {
          const [mark, colour] = MARKS[is]
          out.line(`${out.colour(colour, mark)} ${what}`)
          if (advice !== undefined) out.line(`    ${advice}`)
        }
      if (findings.some(({ is }) => is === 'bad')) throw new CommandFailure('')
    })
}
