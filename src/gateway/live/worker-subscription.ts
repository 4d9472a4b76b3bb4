/**
 * One client's subscription to the workers: all of them first, then each change. There is no past to go on from, so that
 * whoever comes again gets all of them again.
 */

import type { WorkerChange } from '../../api/index.ts'
import type { Deps } from '../../core/index.ts'
import type { Lane } from './outbox.ts'
import { SharedEvent } from './shared-event.ts'
import type { WorkerDirectory } from './sources.ts'
import type { Voice } from './voice.ts'

/** Where every subscription to workers is. */
const NOW = 'tail'

export class WorkerSubscription implements Lane {
  readonly #workers: WorkerDirectory
  readonly #voice: Voice
  readonly #deps: Deps
  #leave = () => {}
  #isOver = false

  constructor(workers: WorkerDirectory, voice: Voice, deps: Deps) {
    this.#workers = workers
    this.#voice = voice
    this.#deps = deps
  }

  open(): void {
    this.#voice.begun(NOW)
    this.#tellAll()
    this.#leave = this.#workers.onChange((data) => this.#tell(data))
  }

  left(): void {}

  overrun(): void {
    this.dropped()
  }

  /** All of them, once the client takes more, make good whatever it missed. */
  dropped(): void {
    this.#leave()
    this.#voice.ready().then(() => {
      if (this.#isOver) return
      this.#voice.gap({ from: NOW, to: NOW, reason: 'slow-client' })
      this.#tellAll()
      this.#leave = this.#workers.onChange((data) => this.#tell(data))
    })
  }

  close(): void {
    this.#isOver = true
    this.#leave()
    this.#voice.forget(this)
  }

  #tellAll(): void {
    this.#tell({ all: [...this.#workers.all()] })
  }

  #tell(data: WorkerChange): void {
    const at = new Date(this.#deps.clock.now()).toISOString()
    this.#voice.event(this, new SharedEvent(undefined, { kind: 'worker', at, data }, NOW))
  }
}
