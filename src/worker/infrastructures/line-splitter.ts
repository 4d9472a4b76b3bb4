/**
 * Makes lines of what is printed, whatever the pieces that it comes in. What is no UTF-8 is shown as �; a line that is
 * too long is given without its end, once.
 */

import { StringDecoder } from 'node:string_decoder'

/** Characters of a line that are held until its end comes: more than of any line is kept. */
const LONGEST_HELD = 16_000

export class LineSplitter {
  readonly #line: (text: string) => void
  readonly #decoder = new StringDecoder('utf8')
  #held = ''

  constructor(line: (text: string) => void) {
    this.#line = line
  }

  /** Whether it holds nothing of a line. */
  get isEmpty(): boolean {
    return this.#held === ''
  }

  bytes(bytes: Uint8Array): void {
    this.text(this.#decoder.write(bytes))
  }

  text(text: string): void {
    let from = 0
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#hold(text.slice(from, end))
      this.#tell()
      from = end + 1
    }
    this.#hold(text.slice(from))
  }

  /** What has no end of line yet is a line too. */
  end(): void {
    this.#hold(this.#decoder.end())
    if (this.#held !== '') this.#tell()
  }

  #hold(text: string): void {
    this.#held += text.slice(0, LONGEST_HELD - this.#held.length)
  }

  #tell(): void {
    const line = this.#held.endsWith('\r') ? this.#held.slice(0, -1) : this.#held
    this.#held = ''
    this.#line(line)
  }
}
