// transformers.js in Chromium: a page whose library, wasm and model come from a server on 127.0.0.1.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { basename, dirname, extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";
import { answer } from "./answer.mjs";

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };
const PAGE = "<!doctype html><meta charset=utf-8><title>client</title>";

// What runs in the page. Nothing but the server is asked: other requests are counted as failures.
async function inPage([name, texts]) {
  const { env, AutoTokenizer, AutoModelForSequenceClassification, pipeline } = await import("/npm/@huggingface/transformers/dist/transformers.min.js");
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = "/models/";
  env.useBrowserCache = false;
  env.useWasmCache = false;
  env.backends.onnx.wasm.wasmPaths = "/npm/onnxruntime-web/dist/";
  const options = { device: "wasm" };
  const tokenizer = await AutoTokenizer.from_pretrained(name);
  const model = await AutoModelForSequenceClassification.from_pretrained(name, options);
  const classify = await pipeline("text-classification", name, options);
  const logits = [];
  const begin = performance.now();
  for (const text of texts) {
    logits.push(Array.from((await model(tokenizer(text, { truncation: true }))).logits.data));
  }
  const milliseconds = (performance.now() - begin) / texts.length;
  const labels = (await classify(texts)).map((each) => each.label);
  return { logits, labels, version: env.version, milliseconds };
}

function serve(roots) {
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://x").pathname));
    const root = Object.keys(roots).find((each) => path.startsWith(each));
    const file = root && join(roots[root], path.slice(root.length));
    if (path === "/") return response.setHeader("content-type", "text/html"), response.end(PAGE);
    if (!file || !existsSync(file) || !statSync(file).isFile()) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    response.setHeader("content-length", statSync(file).size);
    if (request.method === "HEAD") return response.end();
    createReadStream(file).pipe(response);
  });
  return new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(server)));
}

await answer(async (artifact, texts) => {
  const server = await serve({ "/npm/": join(process.cwd(), "node_modules"), "/models/": dirname(artifact) });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const origin = `http://127.0.0.1:${server.address().port}`;
    const elsewhere = [];
    page.on("request", (each) => each.url().startsWith(origin) || /^(blob|data):/.test(each.url()) || elsewhere.push(each.url()));
    await page.goto(origin);
    const found = await page.evaluate(inPage, [basename(artifact), texts]);
    if (elsewhere.length) throw new Error(`the page asked ${elsewhere[0]}`);
    return { ...found, version: `${found.version} in Chromium ${browser.version()}` };
  } finally {
    await browser.close();
    server.close();
  }
});
