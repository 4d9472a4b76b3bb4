/**
 * What the inputs of a call are compared by when a replay meets it again: 53 bits of their text (cyrb53, by bryc). It is
 * made for every call, so it costs a fraction of a cryptographic hash; nobody is kept from forging one, and nobody gains
 * by it. Stored with task runs, so it is never changed: a run may be replayed by a later version.
 */
export function fingerprint(text: string): string {
  let high = 0xdeadbeef
  let low = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    high = Math.imul(high ^ unit, 2_654_435_761)
    low = Math.imul(low ^ unit, 1_597_334_677)
  }
  high = Math.imul(high ^ (high >>> 16), 2_246_822_507) ^ Math.imul(low ^ (low >>> 13), 3_266_489_909)
  low = Math.imul(low ^ (low >>> 16), 2_246_822_507) ^ Math.imul(high ^ (high >>> 13), 3_266_489_909)
  return (2 ** 32 * (low & 0x1f_ffff) + (high >>> 0)).toString(36)
}
