/**
 * Loaded with `--import` before every script. Node 24 runs the TypeScript files as they are; an older one
 * would say something about an unknown file extension. It is JavaScript so that an older one can say this.
 */
const major = Number.parseInt(process.versions.node, 10)
if (major < 24) {
  console.error(
    `This needs Node 24 or newer and runs on ${process.versions.node} (${process.execPath}).\n` +
      'Start it through npm ("npm test"), which uses the Node that "npm install" put into node_modules.\n' +
      'If it was npm: the install step of the package "node" did not run. Run "npm install" again without --ignore-scripts.',
  )
  process.exit(1)
}
