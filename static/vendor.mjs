// Copies the players' browser builds and their licences from node_modules to vendor/.
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const vendor = join(here, "vendor");

const FILES = [
  ["hls.js/dist/hls.min.mjs", "hls.min.js"],
  ["hls.js/dist/hls.worker.js", "hls.worker.js"],
  ["hls.js/LICENSE", "hls.js-LICENSE.txt"],
  ["dashjs/dist/modern/esm/dash.mediaplayer.min.js", "dash.mediaplayer.min.js"],
  ["dashjs/dist/modern/esm/dash.mediaplayer.min.js.LICENSE.txt", "dash.mediaplayer.min.js.LICENSE.txt"],
  ["dashjs/LICENSE.md", "dash.js-LICENSE.txt"],
];

await rm(vendor, { recursive: true, force: true });
await mkdir(vendor, { recursive: true });
for (const [from, to] of FILES) await copyFile(join(modules, from), join(vendor, to));

// The builds point at source maps that are not shipped; a dangling reference is a 404 in consoles.
for (const name of ["hls.min.js", "hls.worker.js", "dash.mediaplayer.min.js"]) {
  const file = join(vendor, name);
  const text = await readFile(file, "utf8");
  await writeFile(file, text.replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, "\n"));
}

const versions = [];
for (const name of ["hls.js", "dashjs"]) {
  const { version, license } = JSON.parse(await readFile(join(modules, name, "package.json")));
  versions.push(`${name} ${version} (${license})`);
}
await writeFile(join(vendor, "VERSIONS.txt"), versions.join("\n") + "\n");
