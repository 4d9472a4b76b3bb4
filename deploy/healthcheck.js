/**
 * Ends with 0 when the URL given answers with a 2xx within three seconds, else with 1. It is here because slim
 * images have no curl.
 */
const [url = ''] = process.argv.slice(2)
const healthy = await fetch(url, { signal: AbortSignal.timeout(3000) }).then(
  (response) => response.ok,
  (error) => {
    console.error(`${url}: ${error.cause?.message ?? error.message}`)
    return false
  },
)
process.exit(healthy ? 0 : 1)
