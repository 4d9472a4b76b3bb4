/** How a value that somebody gave is shown in an error message. */

const LONGEST = 80

/** Short, on one line, and with a text recognisable as one: `'10 minuts'`, `12`, `true`, `an object`. */
export function quote(value: unknown): string {
  if (typeof value === 'string') {
    const line = JSON.stringify(value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value)
    return `'${line.slice(1, -1).replaceAll('\\"', '"')}'`
  }
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object' && value !== null) return 'an object'
  if (typeof value === 'function') return 'a function'
  return String(value)
}
