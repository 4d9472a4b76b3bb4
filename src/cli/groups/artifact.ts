/** `callboard artifact`: what runs left for people. */

import { Command } from '@commander-js/extra-typings'
import type { Artifact, GatewayClient } from '../../client/index.ts'
import { decodeJson } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'
import { count, runMeant, several } from '../input/index.ts'
import {
  type ArtifactContent,
  artifactSummary,
  type Column,
  cellText,
  fromNow,
  type Output,
  percentText,
  readArtifact,
} from '../output/index.ts'

export function artifactGroup(context: Context) {
  return new Command('artifact')
    .description('What runs left for people: texts, tables, links, images, progress.')
    .addCommand(listCommand(context))
    .addCommand(inspectCommand(context))
}

function listCommand(context: Context) {
  return new Command('ls')
    .alias('list')
    .description('The newest artifacts, of one flow run or of all.')
    .option('--run <run>', "a flow run's id, the beginning or end of it, or its name")
    .option('--flow <name>', 'of runs of this flow')
    .option('--key <key>', 'of this key (several times)', several)
    .option('--kind <kind>', 'markdown, table, link, image or progress (several times)', several)
    .option('--latest', 'of each key only the newest')
    .option('--limit <count>', 'how many, 200 at most', count, 50)
    .option('--json', 'as JSON')
    .action(async ({ run, flow, key, kind, latest, limit, json }) => {
      const client = await context.client()
      const of = run === undefined ? undefined : await runMeant(client, run, context.deps.clock.now())
      const { items } = await client.artifacts.list({
        limit,
        ...(of === undefined ? {} : { run: of }),
        ...(flow === undefined ? {} : { flow }),
        ...(key === undefined ? {} : { key: [...key] }),
        ...(kind === undefined ? {} : { kind: [...kind] }),
        ...(latest === undefined ? {} : { latest }),
      })
      context.out.list(items, columns(context), { json, none: 'No artifacts.' })
    })
}

function columns({ deps }: Context): readonly Column<Artifact>[] {
  return [
    { title: 'ID', value: ({ id }) => id },
    { title: 'KIND', value: ({ kind }) => kind },
    { title: 'KEY', value: ({ key = '' }) => key },
    { title: 'TASK', value: ({ task = '' }) => task },
    { title: 'CREATED', value: ({ timestamp }) => fromNow(timestamp, deps.clock.now()) },
    { title: 'WHAT', value: artifactSummary },
  ]
}

function inspectCommand(context: Context) {
  return new Command('inspect')
    .description('An artifact and what is in it.')
    .argument('<artifact>', 'its id, or a key: the newest artifact of that')
    .option('--json', 'as JSON')
    .action(async (text, { json }) => {
      const { out } = context
      const artifact = await artifactMeant(await context.client(), text)
      if (json === true) return out.json(artifact)
      const { content, description } = readArtifact(artifact)
      out.facts({
        id: artifact.id,
        run: artifact.run,
        task: artifact.task,
        key: artifact.key,
        kind: artifact.kind,
        created: `${artifact.timestamp}  ${fromNow(artifact.timestamp, context.deps.clock.now())}`,
        description,
        ...factsOf(content),
      })
      showBody(out, content)
    })
}

const ID = /^[\w-]{1,64}\.\d+\.\d+$/

/** @throws CommandFailure, GatewayError when there is none */
async function artifactMeant(client: GatewayClient, text: string): Promise<Artifact> {
  const artifact = ID.test(text) ? await client.artifacts.get(text) : await client.artifacts.latest(text)
  if (artifact !== undefined) return artifact
  throw new CommandFailure(`There is no artifact of the key '${text}'. List them: callboard artifact ls`)
}

/** What is said in a line. */
function factsOf(content: ArtifactContent): Readonly<Record<string, string | undefined>> {
  switch (content.is) {
    case 'link':
      return { text: content.text, link: content.url }
    case 'image':
      return { image: content.url }
    case 'progress':
      return { progress: percentText(content.percent) }
    case 'rows':
      return { rows: String(content.rows.length) }
    case 'text':
    case 'other':
      return {}
  }
}

/** What needs lines of its own. @throws CB_E_STORE_TOO_NEW for values that only a newer version knows */
function showBody(out: Output, content: ArtifactContent): void {
  switch (content.is) {
    case 'text':
      out.line()
      out.line(content.text.trimEnd())
      break
    case 'rows': {
      if (content.rows.length === 0) break
      const rows = content.rows.map((row) => decodeJson(row) as Row)
      out.line()
      out.table(rows, columnsOf(rows))
      break
    }
    case 'other':
      out.line()
      out.json(content.data)
  }
}

type Row = Readonly<Record<string, unknown>>

/** In the order in which the rows name them; numbers stand to the right. */
function columnsOf(rows: readonly Row[]): readonly Column<Row>[] {
  const names = new Set(rows.flatMap((row) => Object.keys(row)))
  return [...names].map((name) => {
    const values = rows.map((row) => row[name]).filter((value) => value !== null && value !== undefined)
    const isNumeric = values.every((value) => typeof value === 'number' || typeof value === 'bigint')
    return {
      title: name,
      value: (row) => cellText(row[name]),
      ...(isNumeric ? { align: 'right' } : {}),
    }
  })
}
