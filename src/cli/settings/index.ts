/** The settings of a command and the profiles they may come from. */

export { type CommandSettings, commandSettings, homeOf } from './load.ts'
export { type Profiles, readProfiles, writeProfiles } from './profiles.ts'
