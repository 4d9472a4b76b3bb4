import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dataFolder, loadSettings } from '../../../src/core/index.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callboard-settings-'))
})

afterEach(() => rm(folder, { recursive: true }))

const put = (name: string, text: string) => writeFile(join(folder, name), text)
const load = (environment: Record<string, string> = {}, options = {}) =>
  loadSettings({ folder, environment, options })

describe('loading settings', () => {
  it('needs no file', async () => {
    const { settings } = await load({ XDG_DATA_HOME: '/data' })
    expect(settings.maxRecoveries).toBe(3)
  })

  it('takes an option before the environment, .env, the configuration file, the profile, the default', async () => {
    const profile = { name: 'prod', settings: { maxRecoveries: 15, url: 'http://profile:1' } }
    const given = async (environment = {}, options = {}) => {
      const { settings, explanations } = await loadSettings({ folder, environment, options, profile })
      return [settings.maxRecoveries, explanations.find(({ name }) => name === 'maxRecoveries')?.from]
    }
    expect(await given()).toEqual([15, 'maxRecoveries in the profile prod'])
    await put(
      'callboard.config.ts',
      "type Lease = string\nexport default { maxRecoveries: 14, workerLease: '20s' as Lease }\n",
    )
    expect(await given()).toEqual([14, `maxRecoveries in ${join(folder, 'callboard.config.ts')}`])
    await put('.env', '# a comment\nCALLBOARD_MAX_RECOVERIES="13" # more\nOTHER=1\nCALLBOARD_URL=\n')
    expect(await given()).toEqual([13, `CALLBOARD_MAX_RECOVERIES in ${join(folder, '.env')}`])
    const environment = { CALLBOARD_MAX_RECOVERIES: '12' }
    expect(await given(environment)).toEqual([12, 'CALLBOARD_MAX_RECOVERIES in the environment'])
    expect(await given(environment, { maxRecoveries: 11 })).toEqual([11, 'maxRecoveries in the options'])
  })

  it('does not put what .env says into the process', async () => {
    await put('.env', 'CALLBOARD_MAX_RECOVERIES=13\n')
    await load()
    expect(process.env.CALLBOARD_MAX_RECOVERIES).toBeUndefined()
  })

  it('takes the environment of this process when none is given', async () => {
    process.env.CALLBOARD_MAX_RECOVERIES = '9'
    try {
      expect((await loadSettings({ folder })).settings.maxRecoveries).toBe(9)
    } finally {
      delete process.env.CALLBOARD_MAX_RECOVERIES
    }
  })

  it('leaves the sections of a configuration file that belong to others alone', async () => {
    await put('callboard.config.js', 'export default { maxRecoveries: 1, deployments: [{}] }\n')
    expect((await load()).settings.maxRecoveries).toBe(1)
  })

  it('reads a configuration file of another name when it is told to, relative to the folder', async () => {
    await mkdir(join(folder, 'conf'))
    await put('conf/mine.ts', 'export default { maxRecoveries: 8 }\n')
    expect((await load({ CALLBOARD_CONFIG_FILE: 'conf/mine.ts' })).settings.maxRecoveries).toBe(8)
    expect((await load({}, { configFile: join(folder, 'conf/mine.ts') })).settings.maxRecoveries).toBe(8)
    await put('.env', 'CALLBOARD_CONFIG_FILE=conf/mine.ts\n')
    expect((await load()).settings.maxRecoveries).toBe(8)
  })

  it('names an unknown key of the configuration file, and the file', async () => {
    await put('callboard.config.ts', 'export default { maxRecoverys: 1 }\n')
    await expect(load()).rejects.toMatchObject({
      code: 'CB_E_SETTING_UNKNOWN',
      message: `'maxRecoverys' in ${join(folder, 'callboard.config.ts')} is not a setting that is known. Did you mean maxRecoveries?`,
    })
  })

  it.each([
    ['throws', "throw new Error('not today')", 'cannot be loaded: not today'],
    ['does not parse', 'export default {', 'cannot be loaded: '],
    ['exports nothing', 'export const settings = {}', 'has no object as its default export'],
    ['exports a list', 'export default []', 'has no object as its default export'],
  ])('refuses a configuration file that %s, together with what else is wrong', async (_, text, problem) => {
    await put('callboard.config.ts', text)
    await expect(load({ CALLBOARD_WORKER_LEASE: 'x' })).rejects.toMatchObject({
      code: 'CB_E_CONFIG_FILE',
      message: expect.stringMatching(
        new RegExp(
          `2 settings are wrong:\n- The file .*callboard.config.ts ${problem}(.|\n)*\n- CALLBOARD_WORKER_LEASE`,
        ),
      ),
    })
  })

  it('refuses a configuration file that was named and is not there', async () => {
    await expect(load({ CALLBOARD_CONFIG_FILE: 'missing.ts' })).rejects.toMatchObject({
      code: 'CB_E_CONFIG_FILE',
    })
  })

  it('refuses a .env that cannot be read', async () => {
    await mkdir(join(folder, '.env'))
    await expect(load()).rejects.toMatchObject({
      code: 'CB_E_CONFIG_FILE',
      message: expect.stringContaining(`The file ${join(folder, '.env')} cannot be read`),
    })
  })
})

describe('the folder for a user’s data', () => {
  it('is where the system wants it', () => {
    const home = homedir()
    expect(dataFolder({}, 'linux')).toBe(join(home, '.local/share/callboard'))
    expect(dataFolder({ XDG_DATA_HOME: '/data' }, 'linux')).toBe('/data/callboard')
    expect(dataFolder({ XDG_DATA_HOME: 'relative' }, 'linux')).toBe(join(home, '.local/share/callboard'))
    expect(dataFolder({ XDG_DATA_HOME: '/data' }, 'darwin')).toBe(
      join(home, 'Library/Application Support/callboard'),
    )
    expect(dataFolder({ LOCALAPPDATA: '/users/ann/local' }, 'win32')).toBe(
      join('/users/ann/local', 'callboard'),
    )
    expect(dataFolder({}, 'win32')).toBe(join(home, 'AppData', 'Local', 'callboard'))
  })
})
