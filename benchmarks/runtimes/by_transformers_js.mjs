// Tags of sentences by transformers.js: node by_transformers_js.mjs DTYPE FOLDER SENTENCES ANSWERS, beside node_modules.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import { env, pipeline } from "@huggingface/transformers";

const [dtype, folder, sentences, answers] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder) + "/";
const session_options = { intraOpNumThreads: 1 };
const tagger = await pipeline("token-classification", basename(folder), { dtype, session_options });
const tags = [], milliseconds = [];
for (const { text, firsts } of JSON.parse(readFileSync(sentences))) {
  const start = performance.now();
  const pieces = await tagger(text, { ignore_labels: [] });
  milliseconds.push(performance.now() - start);
  const labels = new Map(pieces.map((piece) => [piece.index, piece.entity]));
  tags.push(firsts.map((place) => labels.get(place) ?? "O"));
}
milliseconds.sort((a, b) => a - b);
const ms = milliseconds[Math.floor(milliseconds.length / 2)];
writeFileSync(answers, JSON.stringify({ version: env.version, tags, ms }));
