/** This program itself: its Node and its settings. */

import { messageOf, packageVersion } from '../../core/index.ts'
import type { Context } from '../context.ts'
import { bad, type Finding, good } from './finding.ts'

const OLDEST_NODE = 24

export async function checkNode(): Promise<readonly Finding[]> {
  const major = Number.parseInt(process.versions.node, 10)
  const what = `Callboard ${packageVersion()} on Node ${process.versions.node}`
  return [major >= OLDEST_NODE ? good(what) : bad(what, `Install Node ${OLDEST_NODE} or newer.`)]
}

export async function checkSettings(context: Context): Promise<readonly Finding[]> {
  try {
    const { explanations, profile } = await context.resolved()
    const given = explanations.filter(({ from }) => from !== 'default').length
    return [good(`Settings are right: ${given} given, profile ${profile}`)]
  } catch (error) {
    return [bad('Settings are wrong', messageOf(error))]
  }
}
