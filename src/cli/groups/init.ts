/** `callboard init`: a project with one flow in it. */

import { access, mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { Command } from '@commander-js/extra-typings'
import { packageVersion } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { CommandFailure } from '../exits.ts'

export function initCommand(context: Context) {
  return new Command('init')
    .description('Makes a project with one flow in it. Nothing that is there is changed.')
    .argument('[folder]', 'default: this one')
    .option('--force', 'also in a folder that is not empty; files that are there stay as they are')
    .action(async (folder = '.', { force }) => {
      const path = resolve(context.folder, folder)
      await mkdir(path, { recursive: true })
      const found = await readdir(path)
      if (found.length > 0 && force === undefined)
        throw new CommandFailure(
          `${path} is not empty. Give an empty folder, or --force to add what is missing.`,
        )
      for (const [name, text] of Object.entries(filesOf(nameFor(path)))) {
        const isNew = await writeNew(join(path, name), text)
        context.out.line(`${isNew ? 'made ' : 'kept '} ${name}`)
      }
      const into = folder === '.' ? '' : `cd ${folder} && `
      context.out.note(`\nNow: ${into}npm install && npx callboard dev flows.ts`)
    })
}

async function writeNew(path: string, text: string): Promise<boolean> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (!isThere) await writeFile(path, text)
  return !isThere
}

/** What npm accepts as a name. */
function nameFor(path: string): string {
  const name = basename(path)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
  return name === '' ? 'flows' : name
}

function filesOf(name: string): Readonly<Record<string, string>> {
  const manifest = {
    name,
    private: true,
    type: 'module',
    engines: { node: '>=24' },
    scripts: { dev: 'callboard dev flows.ts', start: 'node flows.ts' },
    dependencies: { callboard: `^${packageVersion()}` },
    devDependencies: { '@types/node': '^24.0.0', typescript: '>=5.8.0' },
  }
  const compiler = {
    compilerOptions: {
      ...{ target: 'es2024', module: 'nodenext', strict: true, noEmit: true, types: ['node'] },
      ...{
        allowImportingTsExtensions: true,
        erasableSyntaxOnly: true,
        verbatimModuleSyntax: true,
        skipLibCheck: true,
      },
    },
    include: ['*.ts'],
  }
  return {
    'package.json': `${JSON.stringify(manifest, undefined, 2)}\n`,
    'tsconfig.json': `${JSON.stringify(compiler, undefined, 2)}\n`,
    'flows.ts': FLOWS,
    'README.md': README.replace('NAME', name),
    '.gitignore': 'node_modules/\n.env\n',
  }
}

const FLOWS = `import { flow, getRunLogger, task } from 'callboard'

/** Tried again three times, a second apart, when it throws. Once it has a result, it is not called again. */
export const greet = task({ name: 'greet', retries: 3, retryDelaySeconds: 1 }, async (name: string) => {
  getRunLogger().info(\`Greeting \${name}\`)
  return \`Hello, \${name}!\`
})

export const greetings = flow(
  { name: 'greetings', logPrints: true },
  async ({ names = ['Ada', 'Grace'] }: { names?: string[] } = {}) => {
    const lines = await greet.map(names).result()
    console.log(lines.join(' '))
    return lines
  },
)

if (import.meta.main) await greetings()
`

const README = `# NAME

One flow, in \`flows.ts\`. It runs as it stands, with no server:

    node flows.ts

With everything around it, in one process that takes new code when you save:

    npx callboard dev flows.ts
    npx callboard deployment run greetings/dev -p 'names=["Alan"]' --watch
`
