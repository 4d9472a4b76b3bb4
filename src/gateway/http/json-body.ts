/** Bodies as JSON: parsed, and refused when they are nested so deeply that whoever walks through them would fall. */

import type { FastifyInstance } from 'fastify'
import { invalid } from './problems.ts'

/** Deeper than anything that is meant. */
const DEEPEST = 200

export function acceptJson(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error')
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    const text = String(body)
    if (text.trim() === '') return done(null, undefined)
    if (isTooDeep(text))
      return done(invalid(`The body of this request is nested deeper than ${DEEPEST} levels.`))
    return parse(request, text, done)
  })
}

const QUOTE = 34
const BACKSLASH = 92
const OPENING = new Set([91, 123])
const CLOSING = new Set([93, 125])

function isTooDeep(text: string): boolean {
  let depth = 0
  let isText = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (isText) {
      if (code === BACKSLASH) index++
      else if (code === QUOTE) isText = false
    } else if (code === QUOTE) isText = true
    else if (OPENING.has(code)) {
      depth++
      if (depth > DEEPEST) return true
    } else if (CLOSING.has(code)) depth--
  }
  return false
}
