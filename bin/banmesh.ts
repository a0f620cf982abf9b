#!/usr/bin/env node
/** The command. Looks at Node's version before anything is imported that an older Node could not even parse. */
const version = process.versions.node

if (Number(version.split('.')[0]) < 24) {
  process.stderr.write(`banmesh: error: needs Node.js 24 or newer, this is v${version}\n`)
  process.exitCode = 1
} else {
  void import('../src/cli/main.ts').then(({ main }) => main(process.argv.slice(2)))
}
