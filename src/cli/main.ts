#!/usr/bin/env node
/** The program `callboard`. */

import { enableCompileCache } from 'node:module'

// A command loads a hundred files and more: compiled once, it starts in a third of the time.
enableCompileCache()
const [{ systemDeps }, { commandLine }] = await Promise.all([
  import('../core/index.ts'),
  import('./command-line.ts'),
])

process.exitCode = await commandLine(process.argv.slice(2), {
  deps: systemDeps(),
  environment: process.env,
  folder: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
})
