// onnxruntime-node and the pure JavaScript tokenizer that transformers.js is built on.
import { existsSync, readFileSync } from "node:fs";
import { Tokenizer } from "@huggingface/tokenizers";
import ort from "onnxruntime-node";
import { answer } from "./answer.mjs";

await answer(async (artifact, texts) => {
  const read = (name) => JSON.parse(readFileSync(`${artifact}/${name}`, "utf8"));
  const config = read("tokenizer_config.json");
  const tokenizer = new Tokenizer(read("tokenizer.json"), config);
  const plain = `${artifact}/onnx/model.onnx`;
  const session = await ort.InferenceSession.create(
    existsSync(plain) ? plain : `${artifact}/onnx/model_quantized.onnx`,
  );
  const longest = config.model_max_length;
  const logits = [];
  for (const text of texts) {
    let read = tokenizer.encode(text).ids;
    if (read.length > longest) read = [...read.slice(0, longest - 1), read.at(-1)]; // the last one closes
    const ids = BigInt64Array.from(read, BigInt);
    const shape = [1, ids.length];
    const found = await session.run({
      input_ids: new ort.Tensor("int64", ids, shape),
      attention_mask: new ort.Tensor("int64", ids.map(() => 1n), shape),
    });
    logits.push(Array.from(found.logits.data));
  }
  return { logits, version: ort.env.versions.node };
});
