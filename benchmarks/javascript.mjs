// Milliseconds of models in JavaScript, in turns: node javascript.mjs RUNTIME SECONDS SHAPES FOLDER…, beside node_modules.
// RUNTIME: transformers.js (in Node, on onnxruntime-node), or onnxruntime-web (WebAssembly: what it is in a browser).
// SHAPES: 1x128,32x128. FOLDER: config.json and onnx/model.onnx. To stdout: {"version", "times": {FOLDER: {SHAPE: […]}}}.

import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const [runtime, seconds, shapes, ...folders] = process.argv.slice(2);
const FEWEST = 5;

async function inTransformers(folder) {
  const { AutoModelForTokenClassification, Tensor, env } = await import("@huggingface/transformers");
  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder) + "/";
  const session_options = { intraOpNumThreads: 1 };
  const model = await AutoModelForTokenClassification.from_pretrained(basename(folder), { dtype: "fp32", session_options });
  return { version: env.version, tensor: (values, dims) => new Tensor("int64", values, dims), run: (feed) => model(feed) };
}

async function inWebAssembly(folder) {
  const ort = await import("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(readFileSync(join(folder, "onnx", "model.onnx")));
  return { version: ort.env.versions.web, tensor: (values, dims) => new ort.Tensor("int64", values, dims), run: (feed) => session.run(feed) };
}

function fed({ tensor }, rows, length) {
  const filled = (value) => tensor(BigInt64Array.from({ length: rows * length }, (_, i) => BigInt(value(i))), [rows, length]);
  return { input_ids: filled((i) => 1000 + (i % 20000)), attention_mask: filled(() => 1), token_type_ids: filled(() => 0) };
}

const models = [];
for (const folder of folders) models.push(await (runtime === "transformers.js" ? inTransformers : inWebAssembly)(folder));
const times = Object.fromEntries(folders.map((folder) => [folder, {}]));
for (const shape of shapes.split(",")) {
  const feeds = models.map((model) => fed(model, ...shape.split("x").map(Number)));
  const began = performance.now();
  for (let turn = 0; turn <= FEWEST || performance.now() - began < seconds * 1e3 * models.length; turn++) {
    for (let k = 0; k < models.length; k++) {
      const place = (turn + k) % models.length; // each is first now and then, since who follows a slow one finds other caches
      const start = performance.now();
      await models[place].run(feeds[place]);
      if (turn) (times[folders[place]][shape] ??= []).push(performance.now() - start); // the first is not timed
    }
  }
}
console.log(JSON.stringify({ version: models[0].version, times }));
