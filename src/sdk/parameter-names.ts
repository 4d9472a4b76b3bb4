/**
 * The names of a function's parameters, read from its text: they name inputs in run names, cache keys and messages.
 * A parameter that has no name of its own (`{ lat, lon }`) is called by its place, `arg0`.
 */

const known = new WeakMap<object, readonly string[]>()

export function parameterNames(fn: (...args: never[]) => unknown): readonly string[] {
  const before = known.get(fn)
  if (before !== undefined) return before
  const names = splitTop(parameterText(String(fn))).map(nameOf)
  known.set(fn, names)
  return names
}

/** The arguments by name; those beyond the last name by their place. */
export function byName(
  fn: (...args: never[]) => unknown,
  args: readonly unknown[],
): Readonly<Record<string, unknown>> {
  const names = parameterNames(fn)
  const named: Record<string, unknown> = {}
  const count = Math.max(names.length, args.length)
  for (let i = 0; i < count; i++) {
    const name = names[i] ?? `arg${i}`
    if (name.startsWith('...')) named[name.slice(3)] = args.slice(i)
    else named[name] = args[i]
    if (name.startsWith('...')) break
  }
  return named
}

/** What stands between the parentheses; of `x => …`, the `x`. */
function parameterText(source: string): string {
  const single = /^(?:async\s+)?([\w$]+)\s*=>/.exec(source)
  if (single?.[1] !== undefined) return single[1]
  const open = source.indexOf('(')
  if (open < 0) return ''
  let depth = 0
  for (let at = open; at < source.length; at++) {
    const end = endOfQuoted(source, at)
    if (end > at) at = end
    const char = source[at]
    if (char === '(' || char === '[' || char === '{') depth++
    else if (char === ')' || char === ']' || char === '}') depth--
    if (depth === 0) return source.slice(open + 1, at)
  }
  return ''
}

/** Splits at the commas that are in no brackets, texts or comments. */
function splitTop(text: string): string[] {
  const parts: string[] = []
  let depth = 0
  let part = ''
  for (let at = 0; at < text.length; at++) {
    const end = endOfQuoted(text, at)
    if (end > at) {
      if (text[at] !== '/') part += text.slice(at, end + 1)
      at = end
      continue
    }
    const char = text[at] ?? ''
    if ('([{'.includes(char)) depth++
    if (')]}'.includes(char)) depth--
    if (char === ',' && depth === 0) {
      parts.push(part)
      part = ''
    } else part += char
  }
  return [...parts, part].map((each) => each.trim()).filter((each) => each !== '')
}

/** Where the text or comment that begins here ends; `at` itself when none does. */
function endOfQuoted(source: string, at: number): number {
  const char = source[at]
  if (char === '/' && source[at + 1] === '*') return source.indexOf('*/', at + 2) + 1
  if (char === '/' && source[at + 1] === '/') {
    const end = source.indexOf('\n', at)
    return end < 0 ? source.length : end
  }
  if (char !== "'" && char !== '"' && char !== '`') return at
  for (let end = at + 1; end < source.length; end++) {
    if (source[end] === '\\') end++
    else if (source[end] === char) return end
  }
  return source.length
}

function nameOf(parameter: string, place: number): string {
  const [, rest = '', name] = /^(\.\.\.)?\s*([\w$]+)/.exec(parameter) ?? []
  return name === undefined ? `arg${place}` : rest + name
}
