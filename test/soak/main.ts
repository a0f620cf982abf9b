/** `npm run soak -- [MINUTES] [SEED]`: by default fifteen minutes. */
import { requires } from '../support/requirements.ts'
import { soak } from './soak.ts'

const [minutes = '15', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2)
const noClocks = requires({ commands: ['faketime'] })
if (noClocks !== false) console.log(`clocks do not step: ${noClocks}`)
const noNamespaces = requires({ root: true, commands: ['ip', 'nft'] })
if (noNamespaces !== false) console.log(`no partitions: ${noNamespaces}`)
console.log(`${minutes} minutes, seed ${seed}`)
const report = await soak({
  minutes: Number(minutes),
  seed: Number(seed),
  clocks: noClocks === false,
  namespaces: noNamespaces === false,
  say: console.log
})
console.log(JSON.stringify(report, null, 2))
