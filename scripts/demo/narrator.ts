/** Tells what happens, from what the gateway says over the live socket, and checks that it was what should happen. */

import { styleText } from 'node:util'
import { type GatewayClient, isOver, type LiveItem, RunFold, type StateView } from '../../src/client/index.ts'

export class Narrator {
  readonly #began = performance.now()
  readonly #deviations: string[] = []
  readonly #summary: string[] = []

  get deviations(): readonly string[] {
    return this.#deviations
  }

  chapter(title: string): void {
    console.log(`\n${styleText('bold', title)}`)
  }

  say(text: string): void {
    console.log(`${styleText('dim', this.#time())} ${text}`)
  }

  /** What is not so makes the demo end with 1. */
  expect(what: string, isSo: boolean, found?: unknown): void {
    this.#summary.push(`${isSo ? styleText('green', '✓') : styleText('red', '✗')} ${what}`)
    if (isSo) return
    this.#deviations.push(what)
    this.say(
      styleText('red', `expected: ${what}${found === undefined ? '' : `, found ${JSON.stringify(found)}`}`),
    )
  }

  /** Follows a run to its end; `saw` hears of each thing as it comes. */
  async follow(
    client: GatewayClient,
    run: string,
    saw: (item: LiveItem, fold: RunFold) => void | Promise<void> = () => {},
  ): Promise<RunFold> {
    const fold = new RunFold({ lines: 1_000 })
    for await (const item of client.flowRuns.watch(run, { after: 'start' })) {
      fold.apply(item)
      this.#tell(item, fold)
      await saw(item, fold)
    }
    return fold
  }

  conclude(): void {
    this.chapter('In short')
    for (const line of this.#summary) console.log(`  ${line}`)
    const seconds = ((performance.now() - this.#began) / 1_000).toFixed(1)
    const verdict =
      this.#deviations.length === 0
        ? 'Everything went as it should'
        : `Not as it should: ${this.#deviations.length} of ${this.#summary.length}`
    console.log(`\n${verdict}, in ${seconds} s.`)
  }

  #tell(item: LiveItem, fold: RunFold): void {
    switch (item.kind) {
      case 'state': {
        const { state } = item.data
        this.say(`run ${fold.run?.name ?? ''} is ${styleText('cyan', state.name)}${detail(state.message)}`)
        break
      }
      case 'task': {
        const { key, state } = item.data
        const isWorthIt = isOver(state) || state.name === 'AwaitingRetry'
        if (key !== undefined && isWorthIt)
          this.say(
            `  task ${key} is ${styleText('cyan', state.name)}${detail(state.message)}${waitOf(state)}`,
          )
        break
      }
      case 'log':
        this.say(`  ${styleText('dim', 'log')} ${brief(item.data.message)}`)
        break
      case 'gap':
        this.say('  (some events could not be given)')
    }
  }

  #time(): string {
    return `${((performance.now() - this.#began) / 1_000).toFixed(2).padStart(6)}s`
  }
}

/** How long until the next try. */
function waitOf({ details, timestamp }: StateView): string {
  const at = Date.parse(String(details.retryAt))
  return Number.isNaN(at) ? '' : ` Again in ${at - Date.parse(timestamp)} ms.`
}

/** Of a line with a trace what was said, and the error. */
function brief(message: string): string {
  return message.split('\n').slice(0, 2).join(': ')
}

function detail(message: string | undefined): string {
  return message === undefined ? '' : `: ${message.split('\n')[0]}`
}
