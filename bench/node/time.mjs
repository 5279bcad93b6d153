// Times models as Node calls them: a JSON list of {file, input, shape} and a number of rounds on standard input,
// a JSON object of medians in milliseconds by file on standard output. One thread, the CPU, as the gate does.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

const { models, rounds } = JSON.parse(readFileSync(0, "utf8"));
const out = {};
for (const m of models) {
  const session = await ort.InferenceSession.create(m.file, {
    executionProviders: ["cpu"], intraOpNumThreads: 1, interOpNumThreads: 1, executionMode: "sequential", graphOptimizationLevel: "all",
    extra: { session: { intra_op: { allow_spinning: "0" } } },
  });
  const size = m.shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: size }, (_, i) => ((i * 2654435761) % 2000) / 1000 - 1);
  const feeds = { [m.input]: new ort.Tensor("float32", data, m.shape) };
  const ms = [];
  for (let i = 0; i <= rounds; i++) {
    const start = performance.now();
    await session.run(feeds);
    if (i > 0) ms.push(performance.now() - start);
  }
  ms.sort((a, b) => a - b);
  out[m.file] = ms[Math.floor(ms.length / 2)];
}
process.stdout.write(JSON.stringify(out));
