import { describe, expect, test } from 'vitest'
import { missingEntries } from '../../scripts/complete-lockfile.ts'

const packages = {
  'node_modules/tool': {
    version: '1.0.0',
    dev: true,
    optionalDependencies: {
      '@tool/cli-linux-x64-musl': '1.0.0',
      '@tool/cli-linux-arm64-gnu': '1.0.0',
      'tool-darwin-arm64': '1.0.0',
      'tool-nested-win32-x64': '1.0.0',
    },
  },
  'node_modules/tool/node_modules/tool-nested-win32-x64': { version: '1.0.0', optional: true },
}

describe('the entries missing from a lockfile', () => {
  test('say the platform that the name says, and leave alone what is there', () => {
    const common = { version: '1.0.0', dev: true, optional: true }
    expect(missingEntries({ packages })).toEqual({
      'node_modules/@tool/cli-linux-x64-musl': { ...common, os: ['linux'], cpu: ['x64'], libc: ['musl'] },
      'node_modules/@tool/cli-linux-arm64-gnu': { ...common, os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
      'node_modules/tool-darwin-arm64': { ...common, os: ['darwin'], cpu: ['arm64'] },
    })
  })

  test('are none once they were added', () => {
    expect(missingEntries({ packages: { ...packages, ...missingEntries({ packages }) } })).toEqual({})
  })

  test('are not guessed from a name that says no platform', () => {
    const odd = { 'node_modules/tool': { optionalDependencies: { 'tool-extra': '1.0.0' } } }
    expect(() => missingEntries({ packages: odd })).toThrow('Add its entry by hand')
  })
})
