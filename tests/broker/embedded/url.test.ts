import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseTarget } from '../../../src/broker/embedded/url.ts'
import { isCallboardError } from '../../../src/core/index.ts'

const codeAndMessage = (url: string) => {
  try {
    parseTarget(url)
  } catch (error) {
    if (isCallboardError(error)) return [error.code, error.message]
  }
  return 'nothing was thrown'
}

describe('the URL of an embedded store', () => {
  test.each([
    ['embedded:/data/store', '/data/store'],
    ['embedded:///data/store', '/data/store'],
    ['embedded:store', resolve('store')],
    ['embedded:/with space/50%', '/with space/50%'],
  ])('%s is the folder %s, synced fully and unbounded', (url, dir) => {
    expect(parseTarget(url)).toEqual({
      is: 'folder',
      dir,
      options: { synchronous: 'full', maxBytes: undefined },
    })
  })

  test('takes options', () => {
    expect(parseTarget('embedded:/d?synchronous=normal&max_bytes=2GiB')).toMatchObject({
      options: { synchronous: 'normal', maxBytes: 2 * 1024 ** 3 },
    })
  })

  test.each(['embedded:', 'embedded:?synchronous=full', 'embedded://host/dir', 'memory:a/b'])(
    '%s is refused as a URL',
    (url) => {
      expect(codeAndMessage(url)).toEqual(['CB_E_BROKER_URL', expect.any(String)])
    },
  )

  test.each([
    ['embedded:/d?syncronous=full', 'Did you mean synchronous?'],
    ['embedded:/d?shards=2', 'Known are max_bytes and synchronous'],
    ['embedded:/d?synchronous=off', '"full" (the default) or "normal"'],
    ['embedded:/d?max_bytes=1', 'at least 256KiB'],
    ['embedded:/d?max_bytes=much', 'a number of bytes'],
    ['memory:?a=b', 'takes no options'],
  ])('%s is refused as an option, saying: %s', (url, hint) => {
    expect(codeAndMessage(url)).toEqual(['CB_E_URL_OPTION', expect.stringContaining(hint)])
  })

  test('in memory may have a name', () => {
    expect(parseTarget('memory:')).toEqual({ is: 'memory', name: '' })
    expect(parseTarget('memory:shared-1')).toEqual({ is: 'memory', name: 'shared-1' })
  })
})
