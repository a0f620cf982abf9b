/**
 * The files of the dashboard's page, read once. The page is plain ES modules, the libraries' own builds among them: what
 * the browser gets is what is in the package, without a bundler. Run from source, TypeScript is stripped on the way.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Asset {
  readonly type: string
  readonly body: string
  readonly etag: string
}

const FOLDER = join(import.meta.dirname, 'page')

/** By the name that the page asks for; `preact` and `uplot` are what the page's modules import. */
const LIBRARIES: Readonly<Record<string, string>> = {
  'preact.js': 'preact',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css'
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml'
}

/** By file name; the page itself is `index.html`. */
export function loadAssets(): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>()
  const add = (name: string, body: string): void => {
    const type = TYPES[extname(name)]
    if (type === undefined) return
    assets.set(name, { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` })
  }
  for (const [name, specifier] of Object.entries(LIBRARIES)) {
    add(name, withoutSourceMap(readFileSync(fileURLToPath(import.meta.resolve(specifier)), 'utf8')))
  }
  for (const file of readdirSync(FOLDER)) {
    const text = readFileSync(join(FOLDER, file), 'utf8')
    if (file.endsWith('.ts')) add(`${file.slice(0, -3)}.js`, forBrowser(stripTypeScriptTypes(text)))
    else add(file, file.endsWith('.js') ? forBrowser(text) : text)
  }
  return assets
}

/** Browsers know neither package names nor `.ts`. */
function forBrowser(code: string): string {
  return code.replace(/^(import .*?|\} )from '(preact|uplot|\.\/[\w-]+\.ts)'/gm, (_match, head: string, from: string) =>
    from.startsWith('./') ? `${head}from '${from.slice(0, -3)}.js'` : `${head}from './${from}.js'`
  )
}

/** A map that is not served is an error in the browser's console. */
function withoutSourceMap(text: string): string {
  return text.replace(/^\/\/# sourceMappingURL=.*$/m, '')
}
