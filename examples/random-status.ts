/**
 * A flow that is tried again as a whole until a service that fails at random does not.
 *
 *   node examples/random-status.ts
 */

import { flow } from 'callboard'

const SERVICE = process.env.STATUS_URL ?? 'https://httpstat.us/Random/200,500'

export const fetchRandomCode = flow({ retries: 4 }, async function fetchRandomCode() {
  const randomCode = await fetch(SERVICE)
  if (randomCode.status >= 400) throw new Error(`The service answered ${randomCode.status}.`)
  console.log(await randomCode.text())
})

if (import.meta.main) await fetchRandomCode()
