import { describe, expect, test } from 'vitest'
import { flow, task } from '../../src/sdk/public.ts'

/** The code and the message of what this throws. */
function refusal(make: () => unknown): { readonly code: unknown; readonly message: string } {
  try {
    make()
  } catch (error) {
    if (error instanceof Error && 'code' in error) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('Nothing was thrown.')
}

const nothing = async () => {}

describe('a task or flow', () => {
  test('is named as its function, in kebab-case', () => {
    expect(task(async function fetchWeather() {}).name).toBe('fetch-weather')
    expect(flow(async function my_flow() {}).name).toBe('my-flow')
    expect(task(async function loadHTTPPage2() {}).name).toBe('load-http-page2')
  })

  test('is named as it says, in both forms', () => {
    expect(task('Short One', nothing).name).toBe('Short One')
    expect(task({ name: 'Long One' }, nothing).name).toBe('Long One')
  })

  test('without any name is refused with what to write', () => {
    const { code, message } = refusal(() => task(async () => {}))
    expect(code).toBe('CB_E_DEFINITION_INVALID')
    expect(message).toContain("task('my-task', …)")
  })

  test.each([42, undefined, null])('of %s instead of a function is refused', (what) => {
    const make = (name: string) => Reflect.apply(flow, undefined, [name, what] as never)
    expect(refusal(() => make('not-a-function')).code).toBe('CB_E_DEFINITION_INVALID')
  })

  test('may be made twice of the same function, also when its text is evaluated again', () => {
    const make = () => task('evaluated-again', async () => 1)
    expect(make().name).toBe(make().name)
  })

  test('of another function under a name that is taken is refused', () => {
    task('taken', async () => 1)
    const { code, message } = refusal(() => task('taken', async () => 2))
    expect(code).toBe('CB_E_DEFINITION_DUPLICATE')
    expect(message).toContain("'taken'")
  })

  test('keeps the plain function for unit tests', () => {
    expect(task('plain', (x: number) => x + 1).fn(1)).toBe(2)
  })

  test('is copied with other options by with, and keeps its name', () => {
    const copy = task({ name: 'copied', retries: 1, tags: ['a'] }, async () => 1).with({ retries: 5 })
    expect([copy.name, copy.options.retries, copy.options.tags]).toEqual(['copied', 5, ['a']])
  })
})

describe('an option', () => {
  const make = (options: object) => () =>
    Reflect.apply(task, undefined, [{ name: 'optional', ...options }, nothing] as never)

  test('that is not known is refused with the nearest that is', () => {
    const { code, message } = refusal(make({ retrys: 1 }))
    expect(code).toBe('CB_E_OPTION_UNKNOWN')
    expect(message).toBe("There is no option retrys of task 'optional'. Did you mean retries?")
  })

  test('of a flow that is not known is refused too', () => {
    const options = { name: 'optional-flow', onComplete: nothing }
    const { message } = refusal(() => Reflect.apply(flow, undefined, [options, nothing] as never))
    expect(message).toContain('Did you mean onCompletion?')
  })

  test.each([
    ['retries', -1],
    ['retries', 1.5],
    ['retryDelaySeconds', 'soon'],
    ['timeoutSeconds', 'ten'],
    ['tags', 'one'],
    ['trigger', 'sometimes'],
    ['cachePolicy', 'inputs'],
    ['onFailure', 'alert'],
    ['logPrints', 'yes'],
  ])('%s with the value %s is refused, naming what is allowed', (name, value) => {
    const { code, message } = refusal(make({ [name]: value }))
    expect(code).toBe('CB_E_OPTION_INVALID')
    expect(message).toContain(`The option ${name} of task 'optional' is`)
    expect(message).toContain('Give ')
  })

  test.each([
    [{ retries: 0, retryDelaySeconds: 5 }, 'retryDelaySeconds'],
    [{ cacheExpiration: '1m' }, 'cacheExpiration'],
    [{ persistResult: false, resultStorage: { name: 'x' } }, 'resultStorage'],
  ])('that contradicts another is refused: %j', (options, name) => {
    const { code, message } = refusal(make(options))
    expect(code).toBe('CB_E_OPTION_INVALID')
    expect(message).toContain(name)
  })

  test('of a flow that takes several arguments is refused', () => {
    const make2 = () => flow('several', async (_a: number, _b: number) => {})
    expect(refusal(make2).message).toContain('takes 2 arguments')
  })
})

describe('the version of a flow', () => {
  test('is a hash of its file', () => {
    const first = flow('versioned-1', async () => 1).version
    expect(first).toMatch(/^[0-9a-f]{12}$/)
    expect(flow('versioned-2', async () => 2).version).toBe(first)
  })

  test('is what its option says', () => {
    expect(flow({ name: 'versioned-3', version: 'tutorial_02' }, async () => 1).version).toBe('tutorial_02')
  })
})
