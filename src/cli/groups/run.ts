/** `callboard run`: a flow of a file, here and now. */

import { resolve } from 'node:path'
import { Command, Option } from '@commander-js/extra-typings'
import type { StateType } from '../../client/index.ts'
import { type EntryPoint, entryPointOf } from '../../sdk/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { host } from '../flows/index.ts'
import { jsonObject, keyValue, several } from '../input/index.ts'
import { type Colour, colourOf } from '../output/index.ts'
import { watchHere } from '../watch/index.ts'

export function runCommand(context: Context) {
  return new Command('run')
    .description(
      'Runs a flow of a file, with this process as its host; ends with 1 when it did not complete.',
    )
    .argument('<file>', 'the file, or file.ts:export')
    .option('-p, --param <key=value>', 'one parameter (several times)', keyValue)
    .option('--params <json>', 'all parameters', jsonObject)
    .option('--name <name>', 'what the run is called')
    .option('--tag <tag>', 'several times', several)
    .addOption(
      new Option('--take-over <run>', 'goes on with a run, by its id, whose process is gone').conflicts([
        ...['param', 'params', 'name', 'tag'],
      ]),
    )
    .option('--watch', 'draws the run as it goes, in place of its log')
    .option('--json', 'the final state as JSON')
    .action(async (text, { param, params, name, tag = [], takeOver, watch, json }) => {
      const { out } = context
      const { file, exported } = codeIn(text, context.folder)
      const parameters = param === undefined && params === undefined ? undefined : { ...params, ...param }
      const hosting = await host(
        context,
        takeOver === undefined
          ? { do: 'run', file, exported, parameters, name, tags: [...tag] }
          : { do: 'take-over', file, run: takeOver },
        { quiet: watch === true },
      )
      const { run } = await hosting.told('start')
      if (watch === true) await watchHere(context, run)
      const { state, result } = await hosting.told('end')
      await hosting.ended
      if (json === true)
        out.json({ run, ...state, ...(result === undefined ? {} : { result: JSON.parse(result) }) })
      else if (watch !== true) {
        out.line(`${run} ${out.colour(stateColour(state.type), state.name)}`)
        if (result !== undefined) out.line(`result: ${result}`)
        if (state.type !== 'COMPLETED' && state.message !== undefined) out.line(state.message)
      }
      if (state.type !== 'COMPLETED') throw new CommandFailure('')
    })
}

/** An entry point as it is written on a command line. */
export function codeIn(text: string, folder: string): EntryPoint {
  const { file, exported } = entryPointOf(text)
  return { file: resolve(folder, file), exported }
}

function stateColour(type: string): Colour {
  return colourOf({ type: type as StateType })
}
