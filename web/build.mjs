// Builds the page into dist/: index.html, a script and a style sheet. The server puts a hash of their content into their addresses.
// `node build.mjs --check` builds nothing and fails if dist/ is not what a build would write.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRequire } from "node:module";

const here = dirname(fileURLToPath(import.meta.url));
// The tests install the tools in a folder of their own, so that they change nothing in the sources.
const { build } = createRequire(join(process.env.STENO_PAGE_TOOLS ?? here, "package.json"))("esbuild");
const dist = join(here, "dist");

// The languages are those of the server: one table, not two.
const table = readFileSync(join(here, "../crates/models/src/language.rs"), "utf8").split("LANGUAGES:")[1].split("];")[0];
const languages = [...table.matchAll(/\("(\w+)", "([\w ]+)"\)/g)].map(([, code, name]) => [code, name]);

const bundle = async (entry) => {
  const options = { bundle: true, minify: true, format: "esm", target: "es2022", charset: "utf8", write: false,
    define: { LANGUAGES: JSON.stringify(languages) } };
  const result = await build({ ...options, absWorkingDir: here, entryPoints: [entry], legalComments: "none" });
  return result.outputFiles[0].contents;
};

const files = new Map([
  ["index.html", readFileSync(join(here, "src/index.html"))],
  ["steno.js", Buffer.from(await bundle("src/main.ts"))],
  ["steno.css", Buffer.from(await bundle("src/style.css"))],
]);

if (process.argv.includes("--check")) {
  const there = readdirSync(dist).sort().join();
  const isSame = there === [...files.keys()].sort().join() &&
    [...files].every(([name, content]) => content.equals(readFileSync(join(dist, name))));
  if (!isSame) {
    console.error("web/dist is not a build of web/src: run `npm ci && npm run build` in web/");
    process.exit(1);
  }
} else {
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist);
  for (const [name, content] of files) writeFileSync(join(dist, name), content);
}
