// Makes an ES module of each library that the web phones need: `node examples/bundle.mjs [folder]`, after `npm ci`. Default: examples/lib.
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(here);
const folder = resolve(process.argv[2] ?? join(here, "lib"));

/** By the file's name: what it exports, and whose licences stand at its head. */
const LIBRARIES = {
  "jssip.js": { contents: "export { default } from 'jssip';", packages: { jssip: "LICENSE.md" } },
  "sip.js": { contents: "export * from 'sip.js';", packages: { "sip.js": "LICENSE.md" } },
  "janus.js": {
    contents: "export { default } from 'janus-gateway'; export { default as adapter } from 'webrtc-adapter';",
    packages: { "janus-gateway": "npm/dist/janus.es.js", "webrtc-adapter": "LICENSE.md" }, // the former's stands at the head of its source
  },
};

function licence([name, file]) {
  const { version, license } = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
  const [text] = readFileSync(join(root, "node_modules", name, file), "utf8").replace(/^\s*\/\*/, "").split("*/");
  return `/*! ${name} ${version}, ${license}\n\n${text.trim()}\n*/`;
}

await Promise.all(
  Object.entries(LIBRARIES).map(([name, { contents, packages }]) =>
    build({
      stdin: { contents, resolveDir: root },
      outfile: join(folder, name),
      bundle: true,
      format: "esm",
      platform: "browser",
      target: "es2022",
      define: { global: "globalThis" },
      banner: { js: Object.entries(packages).map(licence).join("\n") },
      legalComments: "inline",
      logLevel: "warning",
    }),
  ),
);
console.log(`web phones: ${Object.keys(LIBRARIES).join(", ")} are in ${folder}`);
