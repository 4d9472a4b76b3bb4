#!/usr/bin/env node
/** The program `callboard`. */

import { systemDeps } from '../core/index.ts'
import { commandLine } from './command-line.ts'

process.exitCode = await commandLine(process.argv.slice(2), {
  deps: systemDeps(),
  environment: process.env,
  folder: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
})
