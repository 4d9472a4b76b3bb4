/**
 * A page of your own that follows a run, with `callboard/client` and nothing else:
 *
 *     npm run build                     (in a clone, once)
 *     CALLBOARD_SERVER_CORS_ORIGINS=http://127.0.0.1:8080 callboard dev flows.ts
 *     node examples/live-page/serve.ts
 *
 * then open http://127.0.0.1:8080/?run=<id>. In an application your bundler does what is done here: it hands the
 * client's modules to the browser.
 */

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'

const PORT = Number(process.env.PORT ?? 8080)
const PAGE = new URL('index.html', import.meta.url)
const MODULES = new URL('../', import.meta.resolve('callboard/client'))
const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' }

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  const module = new URL(pathname.replace('/callboard/', './'), MODULES)
  const file = pathname === '/' ? PAGE : module
  const type = TYPES[extname(file.pathname)]
  if (type === undefined || !(file === PAGE || file.href.startsWith(MODULES.href))) {
    response.writeHead(404).end()
    return
  }
  await readFile(file).then(
    (content) => response.writeHead(200, { 'content-type': type }).end(content),
    () => response.writeHead(404).end(),
  )
})
server.listen(PORT, '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/?run=<id>`))
