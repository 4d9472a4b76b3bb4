/** `callboard flow-run pause|suspend|resume|cancel|retry|signal`: to one run, or to all that a filter finds. */

import { Command } from '@commander-js/extra-typings'
import type { SignalAnswer, SignalBody } from '../../client/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure, wrongUsage } from '../exits.ts'
import { confirmed, duration, json, jsonOrText, keyValue, type Parameters, runMeant } from '../input/index.ts'
import { filtered, filterOf } from './run-filter.ts'

type Told = 'pause' | 'suspend' | 'resume' | 'cancel' | 'retry'

const DESCRIPTIONS: Readonly<Record<Told, string>> = {
  pause: 'Holds runs at their next task; they keep their process.',
  suspend: 'Holds runs and frees their process.',
  resume: 'Lets held runs go on, with the input that they ask for.',
  cancel: 'Cancels runs: their code is told at once, and made to stop after the grace time.',
  retry: 'Runs ended runs again; tasks that completed keep their results.',
}

export function signalCommands(context: Context) {
  return [
    told(context, 'pause'),
    told(context, 'suspend'),
    told(context, 'resume')
      .option('-p, --param <key=value>', 'one value of the input (several times)', keyValue)
      .option('--input <json>', 'the whole input', json),
    told(context, 'cancel').option(
      '--grace <time>',
      'how long the code may take to stop by itself',
      duration,
    ),
    told(context, 'retry'),
    namedSignal(context),
  ]
}

/** Options that some of them have on top. */
interface Extras {
  readonly param?: Parameters
  readonly input?: unknown
  readonly grace?: number
}

function extrasOf(options: object): Extras {
  return options
}

function told(context: Context, signal: Told) {
  const command = filtered(signal, context)
    .description(DESCRIPTIONS[signal])
    .argument('[run]', 'its id, the beginning or end of it, or its name')
    .option('--all', 'all runs that the options find')
    .option('--dry-run', 'only count them')
    .option('-y, --yes', 'without asking')
    .option('--message <text>', 'why, for the log of the run')
  return command.action(async (text, { all, dryRun, yes, message, ...filter }) => {
    const extras = extrasOf(command.opts())
    const payload = extras.input ?? extras.param
    const body: SignalBody = {
      ...(message === undefined ? {} : { message }),
      ...(payload === undefined ? {} : { payload }),
      ...(extras.grace === undefined ? {} : { graceMs: extras.grace }),
    }
    if ((text === undefined) === (all === undefined))
      throw wrongUsage(
        `Name one run, or give --all with a filter: callboard flow-run ${signal} --all --flow weather`,
      )
    if (text !== undefined) return tellOne(context, text, signal, body)
    return tellAll(context, signal, body, { filter: filterOf(filter), dryRun, yes })
  })
}

function namedSignal(context: Context) {
  return new Command('signal')
    .description('Says something to a run that its code waits for by this name.')
    .argument('<run>', 'its id, the beginning or end of it, or its name')
    .argument('<name>', 'what the code waits for')
    .argument('[payload]', 'JSON; what is none is a text', jsonOrText)
    .action((text, name, payload) => tellOne(context, text, name, payload === undefined ? {} : { payload }))
}

async function tellOne(context: Context, text: string, signal: string, body: SignalBody): Promise<void> {
  const client = await context.client()
  const run = await runMeant(client, text, context.deps.clock.now())
  const answer = await context.out.during('Telling it', client.flowRuns.signal(run, signal, body))
  if (answer.outcome === 'rejected' || answer.outcome === 'wait')
    throw new CommandFailure(refusal(run, signal, answer))
  const done = answer.outcome === 'applied' ? 'done' : 'accepted'
  context.out.line(`${run} ${signal}: ${done}, it is ${answer.state.name}`)
}

function refusal(run: string, signal: string, { state, reason, legalSignals, errors }: SignalAnswer): string {
  const lines = [
    `${run} is ${state.name} and does not take '${signal}'${reason === undefined ? '.' : `: ${reason}`}`,
  ]
  for (const { path, message } of errors ?? [])
    lines.push(`  ${path === '' ? '(the input)' : path}: ${message}`)
  if (legalSignals !== undefined) lines.push(`It takes: ${legalSignals.join(', ') || 'nothing'}.`)
  return lines.join('\n')
}

interface BulkOptions {
  readonly filter: ReturnType<typeof filterOf>
  readonly dryRun: true | undefined
  readonly yes: true | undefined
}

async function tellAll(
  context: Context,
  signal: Told,
  body: SignalBody,
  { filter, dryRun, yes }: BulkOptions,
): Promise<void> {
  if (Object.keys(filter).length === 0)
    throw wrongUsage(
      'Say which runs: give at least one of --flow, --state, --tag, --deployment, --name, --since, --until.',
    )
  const { out } = context
  const { flowRuns } = await context.client()
  const { hint, matched } = await out.during('Counting', flowRuns.bulk(signal, { filter, dryRun: true }))
  const counted = `${matched} ${matched === 1 ? 'run matches' : 'runs match'}.`
  if (matched === 0 && hint !== undefined) out.note(hint)
  if (dryRun === true || matched === 0) return out.line(counted)
  if (!(await confirmed(context, `${counted} ${capital(signal)} ${matched === 1 ? 'it' : 'them all'}?`, yes)))
    return
  let told = 0
  let refused = 0
  for (;;) {
    const answer = await out.during('Telling them', flowRuns.bulk(signal, { filter, signal: body }))
    told += answer.applied + answer.accepted
    refused += answer.rejected
    for (const { run, reason } of answer.rejections) out.note(`${run}: ${reason}`)
    // What does not take it would be found again each time.
    if (!answer.more || answer.applied + answer.accepted === 0) break
  }
  out.line(`${told} told to ${signal}${refused === 0 ? '' : `, ${refused} did not take it`}.`)
  if (told === 0) throw new CommandFailure('')
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
