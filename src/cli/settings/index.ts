/** The settings of a command and the profiles they may come from. */

export { type CommandSettings, commandSettings, homeOf } from './load.ts'
export { FIRST_PROFILE, type Profiles, profilesFile, readProfiles, writeProfiles } from './profiles.ts'
