/** What every command is given: settings, a client of the gateway, output. Made when first asked for. */

import { createClient, type GatewayClient } from '../client/index.ts'
import {
  createLogger,
  type Deps,
  type Environment,
  type Settings,
  type SettingsInput,
} from '../core/index.ts'
import { Output, type SayStream } from './output/index.ts'
import { type CommandSettings, commandSettings } from './settings/index.ts'

/** Where a command runs. */
export interface Surroundings {
  readonly deps: Deps
  readonly environment: Environment
  readonly folder: string
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean }
  readonly stdout: SayStream
  readonly stderr: SayStream
}

/** Options that every command takes. */
export interface GlobalOptions {
  readonly profile?: string
  readonly url?: string
  readonly apiKey?: string
  readonly broker?: string
}

export class Context {
  readonly around: Surroundings
  readonly out: Output
  readonly #global: () => GlobalOptions
  #settings: Promise<CommandSettings> | undefined
  #client: GatewayClient | undefined

  constructor(around: Surroundings, global: () => GlobalOptions) {
    this.around = around
    this.out = new Output(around, around.deps.clock)
    this.#global = global
  }

  get deps(): Deps {
    return this.around.deps
  }

  get folder(): string {
    return this.around.folder
  }

  /** The profile that the command line names. */
  get profileOption(): string | undefined {
    return this.#global().profile
  }

  /** All settings, and where each comes from. */
  resolved(): Promise<CommandSettings> {
    this.#settings ??= this.settingsWith({})
    return this.#settings
  }

  async settings(): Promise<Settings> {
    return (await this.resolved()).settings
  }

  /** With options of the command's own, which beat everything else. */
  settingsWith(own: SettingsInput): Promise<CommandSettings> {
    const { profile, url, apiKey, broker } = this.#global()
    const { environment, folder } = this.around
    const options = { url, apiKey, brokerUrl: broker, ...own }
    return commandSettings({ options, environment, folder, profile })
  }

  /** Deps whose logger writes to standard error as the settings say. */
  async loggingDeps(settings: Settings): Promise<Deps> {
    const logger = await createLogger({
      level: settings.loggingLevel,
      format: settings.loggingFormat,
      clock: this.deps.clock,
      destination: this.around.stderr,
    })
    return { ...this.deps, logger }
  }

  async client(): Promise<GatewayClient> {
    if (this.#client === undefined) {
      const { url, apiKey } = await this.settings()
      this.#client = createClient({ url, ...(apiKey === undefined ? {} : { token: apiKey.reveal() }) })
    }
    return this.#client
  }

  /** Lets go of what would keep the process. */
  close(): void {
    this.#client?.close()
  }
}
