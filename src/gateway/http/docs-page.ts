/** The API as one page: what the OpenAPI document says, written out, without a script and without anything from elsewhere. */

type Json = Readonly<Record<string, unknown>>

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin: 2.5rem 0 .5rem; }
details { border-top: 1px solid color-mix(in srgb, currentColor 20%, transparent); padding: .4rem 0; }
summary { cursor: pointer; }
code, pre { font: .9em/1.45 ui-monospace, monospace; }
pre { overflow: auto; padding: .8rem; background: color-mix(in srgb, currentColor 7%, transparent); }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
.what { opacity: .75; }
table { border-collapse: collapse; } td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top; }
`

/** @param document an OpenAPI document */
export function docsPage(document: Json): string {
  const info = objectIn(document.info)
  const groups = Map.groupBy(operationsOf(document), ({ tag }) => tag)
  const body = [...groups].map(
    ([tag, operations]) => `<h2 id="${escaped(tag)}">${escaped(tag)}</h2>${operations.map(shown).join('')}`,
  )
  const links = [...groups.keys()].map((tag) => `<a href="#${escaped(tag)}">${escaped(tag)}</a>`).join(' · ')
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Callboard API</title><style>${STYLE}</style></head><body>
<h1>Callboard API <small>${escaped(info.version)}</small></h1>
<p>${escaped(info.description)}</p>
<p><a href="/api/openapi.json">OpenAPI document</a> · <a href="/api/asyncapi.json">AsyncAPI document</a></p>
<nav>${links}</nav>
${body.join('\n')}
</body></html>
`
}

interface Operation {
  readonly tag: string
  readonly method: string
  readonly path: string
  readonly about: Json
}

function operationsOf({ paths }: Json): Operation[] {
  return Object.entries(objectIn(paths)).flatMap(([path, item]) =>
    Object.entries(objectIn(item)).map(([method, about]) => {
      const known = objectIn(about)
      const [tag = 'other'] = Array.isArray(known.tags) ? known.tags : []
      return { tag: String(tag), method: method.toUpperCase(), path, about: known }
    }),
  )
}

function shown({ about, method, path }: Operation): string {
  const { description = '', parameters, requestBody, responses, summary = '' } = about
  return `<details><summary><span class="method">${escaped(method)}</span><code>${escaped(path)}</code>
<span class="what">${escaped(summary)}</span></summary>
${description === '' ? '' : `<p>${escaped(description)}</p>`}
${parametersShown(Array.isArray(parameters) ? parameters : [])}
${requestBody === undefined ? '' : `<h4>Body</h4>${schemaShown(objectIn(requestBody))}`}
${Object.entries(objectIn(responses))
  .filter(([status]) => status !== 'default')
  .map(([status, response]) => `<h4>${escaped(status)}</h4>${schemaShown(objectIn(response))}`)
  .join('')}</details>`
}

function parametersShown(parameters: readonly unknown[]): string {
  if (parameters.length === 0) return ''
  const rows = parameters.map((parameter) => {
    const { description = '', in: place, name, schema } = objectIn(parameter)
    return `<tr><td><code>${escaped(name)}</code></td><td>${escaped(place)}</td>
<td><code>${escaped(typeOf(objectIn(schema)))}</code></td><td>${escaped(description)}</td></tr>`
  })
  return `<table><tr><th>name</th><th>in</th><th>type</th><th></th></tr>${rows.join('')}</table>`
}

function schemaShown({ content, description }: Json): string {
  const [media] = Object.values(objectIn(content))
  if (media === undefined) return `<p>${escaped(description)}</p>`
  return `<pre>${escaped(JSON.stringify(objectIn(media).schema, null, 2))}</pre>`
}

function typeOf(schema: Json): string {
  if (Array.isArray(schema.enum)) return schema.enum.join(' | ')
  if (Array.isArray(schema.anyOf)) return schema.anyOf.map((part) => typeOf(objectIn(part))).join(' | ')
  return schema.type === 'array' ? `${typeOf(objectIn(schema.items))}[]` : String(schema.type ?? 'any')
}

function objectIn(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }

function escaped(text: unknown): string {
  return String(text ?? '').replaceAll(/[&<>"]/g, (character) => ESCAPES[character] ?? character)
}
