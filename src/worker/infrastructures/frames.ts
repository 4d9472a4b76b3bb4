/**
 * Takes texts apart that came through a pipe one after the other, each with an end of line. One without was being written
 * when its writer died: it is lost.
 */

/** More than any message: whatever is longer is none. */
const LONGEST_BYTES = 256 * 1024 * 1024

export class Frames {
  readonly #frame: (text: string) => void
  #parts: Buffer[] = []
  #bytes = 0

  constructor(frame: (text: string) => void) {
    this.#frame = frame
  }

  push(bytes: Buffer): void {
    let from = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, from)) {
      this.#hold(bytes.subarray(from, end))
      this.#tell()
      from = end + 1
    }
    this.#hold(bytes.subarray(from))
    if (this.#bytes > LONGEST_BYTES) this.#tell()
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#parts.push(bytes)
    this.#bytes += bytes.length
  }

  #tell(): void {
    const [only, ...more] = this.#parts
    const text =
      only === undefined ? '' : more.length === 0 ? only.toString() : Buffer.concat(this.#parts).toString()
    this.#parts = []
    this.#bytes = 0
    this.#frame(text)
  }
}
