/**
 * Which patterns match a subject. A literal pattern, as nearly all are, is one look-up in a map; only those with `*`
 * or `>` are walked, as a tree of tokens.
 */

export interface PatternSet<T> {
  add(pattern: string, value: T): void
  delete(pattern: string, value: T): void
  /** Every value whose pattern matches, each as often as it was added under a matching pattern. */
  match(subject: string): readonly T[]
  readonly size: number
}

interface Node<T> {
  readonly children: Map<string, Node<T>>
  /** Of patterns that end here. */
  readonly here: Set<T>
  /** Of patterns that end here with `>`. */
  readonly rest: Set<T>
}

const newNode = <T>(): Node<T> => ({ children: new Map(), here: new Set(), rest: new Set() })

const isWild = (pattern: string) => pattern.includes('*') || pattern.endsWith('>')

export function patternSet<T>(): PatternSet<T> {
  const literal = new Map<string, Set<T>>()
  const root = newNode<T>()
  let size = 0
  let wild = 0

  function addLiteral(pattern: string, value: T): boolean {
    const values = literal.get(pattern) ?? new Set()
    literal.set(pattern, values)
    return grew(values, value)
  }

  function deleteLiteral(pattern: string, value: T): boolean {
    const values = literal.get(pattern)
    const had = values?.delete(value) ?? false
    if (values?.size === 0) literal.delete(pattern)
    return had
  }

  function addWild(pattern: string, value: T): boolean {
    let node = root
    for (const token of pattern.split('.')) {
      if (token === '>') return grew(node.rest, value)
      const next = node.children.get(token) ?? newNode<T>()
      node.children.set(token, next)
      node = next
    }
    return grew(node.here, value)
  }

  /** Deletes along the path and drops every branch that has become empty. */
  function deleteWild(node: Node<T>, [token, ...left]: readonly string[], value: T): boolean {
    if (token === undefined) return node.here.delete(value)
    if (token === '>') return node.rest.delete(value)
    const next = node.children.get(token)
    if (!next) return false
    const had = deleteWild(next, left, value)
    if (next.children.size === 0 && next.here.size === 0 && next.rest.size === 0) node.children.delete(token)
    return had
  }

  function collect(node: Node<T>, tokens: readonly string[], depth: number, found: T[]): void {
    const token = tokens[depth]
    if (token === undefined) {
      found.push(...node.here)
      return
    }
    found.push(...node.rest)
    for (const branch of [token, '*']) {
      const next = node.children.get(branch)
      if (next) collect(next, tokens, depth + 1, found)
    }
  }

  return {
    add(pattern, value) {
      const added = isWild(pattern) ? addWild(pattern, value) : addLiteral(pattern, value)
      if (!added) return
      size++
      if (isWild(pattern)) wild++
    },
    delete(pattern, value) {
      const had = isWild(pattern)
        ? deleteWild(root, pattern.split('.'), value)
        : deleteLiteral(pattern, value)
      if (!had) return
      size--
      if (isWild(pattern)) wild--
    },
    match(subject) {
      const found: T[] = [...(literal.get(subject) ?? [])]
      if (wild > 0) collect(root, subject.split('.'), 0, found)
      return found
    },
    get size() {
      return size
    },
  }
}

function grew<T>(set: Set<T>, value: T): boolean {
  const before = set.size
  set.add(value)
  return set.size > before
}
