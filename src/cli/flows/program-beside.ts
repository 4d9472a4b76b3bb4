/** Programs of this room that are started as processes: TypeScript from a clone, JavaScript in the package. */

import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The path of a program beside a module. */
export function programBeside(module: string, name: string): string {
  return fileURLToPath(new URL(`${name}${extname(new URL(module).pathname)}`, module))
}
