// Unpacks the Chromium that an npm package brings, and the libraries beside it: `node unpack.mjs FOLDER`.
// The package itself would unpack into the machine's folder of temporary files, and only the browser alone.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

const folder = process.argv[2];
const packed = (name) => brotliDecompressSync(readFileSync(`${folder}/node_modules/@sparticuz/chromium/bin/${name}`));
const unpack = (name) => execFileSync("tar", ["-x", "-C", `${folder}/unpacked`], { input: packed(name) });

mkdirSync(`${folder}/unpacked`, { recursive: true });
unpack("al2023.tar.br"); // lib/: NSS, for machines without
unpack("swiftshader.tar.br"); // draws where there is no graphics card
writeFileSync(`${folder}/unpacked/chromium`, packed("chromium.br"), { mode: 0o755 });
