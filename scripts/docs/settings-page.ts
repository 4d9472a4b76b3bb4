/** The reference page of the settings. */

import { SETTING_NAMES, SETTINGS, type SettingRow, variableOf } from '../../src/core/index.ts'

export function settingsPage(): string {
  const all: SettingRow[] = SETTING_NAMES.map((name) => SETTINGS[name])
  const forms = new Map(all.flatMap(({ kind }) => (kind.form === undefined ? [] : [[kind.name, kind.form]])))
  const rows = SETTING_NAMES.map((name) => {
    const { kind, meaning }: SettingRow = SETTINGS[name]
    const cells = [`\`${name}\``, `\`${variableOf(name)}\``, kind.allowed, presetOf(SETTINGS[name]), meaning]
    return `| ${cells.join(' | ')} |`
  })
  return `# Settings

<!-- Made from src/core/settings/table.ts by \`npm run docs\`. Change that file, not this one. -->

A setting is taken from the first of these that has it:

1. an option: of the command line, or of the function called
2. the environment variable; an empty one counts as unset
3. the variable in the file \`.env\` of the working directory
4. \`callboard.config.ts\` in the working directory: \`export default { workerLease: '20s' }\`
5. the profile in use
6. the default

Whatever is wrong is refused at start, all of it at once, each naming its variable or option and what is allowed
([CB_E_SETTING_INVALID](errors.md#CB_E_SETTING_INVALID), [CB_E_SETTING_UNKNOWN](errors.md#CB_E_SETTING_UNKNOWN)).
A variable that begins with \`CALLBOARD_\` and is not in this table is refused too. Secrets are never shown.

| setting | variable | allowed | default | meaning |
|---|---|---|---|---|
${rows.join('\n')}

${[...forms].map(([name, form]) => `A ${name} is ${form}.`).join('\n')}
`
}

function presetOf({ preset, presetShown }: SettingRow): string {
  if (presetShown !== undefined) return presetShown
  if (preset === undefined) return ''
  return Array.isArray(preset) ? preset.join(', ') || 'none' : `\`${preset}\``
}
