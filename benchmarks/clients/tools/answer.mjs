// node CLIENT.mjs ARTIFACT TEXTS.json ANSWERS.json
import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";

export async function answer(classify) {
  const [artifact, texts, answers] = process.argv.slice(2).map((each) => resolve(each));
  const found = await classify(artifact, JSON.parse(readFileSync(texts, "utf8")));
  writeFileSync(answers, JSON.stringify(found));
}
