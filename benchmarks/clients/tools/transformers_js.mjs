// transformers.js in Node, as its documentation writes it: a pipeline on a local folder.
import { env, AutoTokenizer, AutoModelForSequenceClassification, pipeline } from "@huggingface/transformers";
import { basename, dirname } from "node:path";
import { answer } from "./answer.mjs";

await answer(async (artifact, texts) => {
  env.allowRemoteModels = false;
  env.localModelPath = dirname(artifact);
  const name = basename(artifact);
  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const model = await AutoModelForSequenceClassification.from_pretrained(name);
  const classify = await pipeline("text-classification", name);
  const logits = [];
  for (const text of texts) {
    const inputs = tokenizer(text, { truncation: true });
    logits.push(Array.from((await model(inputs)).logits.data));
  }
  const labels = (await classify(texts)).map((each) => each.label); // one padded batch
  return { logits, labels, version: env.version };
});
