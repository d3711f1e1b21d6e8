// The artifact in this page: unpack it, ask it what the artifact was asked, then answer what is typed.
const $ = (id) => document.getElementById(id);
const settings = JSON.parse($("settings").textContent);
const SHOWN = 8;

async function unpacked(id) {
  const text = $(id).textContent;
  $(id).remove();
  const packed = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function module(id) {
  const address = URL.createObjectURL(new Blob([await unpacked(id)], { type: "text/javascript" }));
  const found = await import(address);
  URL.revokeObjectURL(address);
  return found;
}

const softmax = (logits) => {
  const top = Math.max(...logits);
  const powers = Array.from(logits, (each) => Math.exp(each - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((each) => each / sum);
};

let session, tokenizer, Tensor;

async function load() {
  const ort = await module("runtime");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await unpacked("wasm");
  Tensor = ort.Tensor;
  session = await ort.InferenceSession.create(new Uint8Array(await unpacked("model")));
  const { Tokenizer } = await module("tokenizers");
  const file = JSON.parse(new TextDecoder().decode(await unpacked("tokenizer")));
  if (settings.split) file.added_tokens = file.added_tokens.filter((each) => !each.special);
  tokenizer = new Tokenizer(file, { unk_token: file.model.unk_token });
}

// The ids as the artifact reads them: cut where it cuts, between the tokens that it adds.
function read(text) {
  const { before, after, longest, side, pad } = settings;
  let ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
  const room = longest - before.length - after.length;
  const cut = ids.length > room;
  if (cut) ids = side === "left" ? ids.slice(ids.length - room) : ids.slice(0, room);
  ids = [...before, ...ids, ...after];
  return { ids: ids.length ? ids : [pad], cut };
}

async function answer(text) {
  const { ids, cut } = read(text);
  const whole = (values) => new Tensor(settings.integers, settings.integers === "int64" ? BigInt64Array.from(values, BigInt) : Int32Array.from(values), [1, ids.length]);
  const found = await session.run({ input_ids: whole(ids), attention_mask: whole(ids.map(() => 1)) });
  return { probabilities: softmax(found.logits.data), cut, ids };
}

const ranked = (probabilities) => probabilities.map((_, index) => index).sort((a, b) => probabilities[b] - probabilities[a]);

// The index of the label that is answered, or -1 where the artifact's rule says that a text is unsure (rule.py).
function decide(probabilities) {
  const [first, second] = ranked(probabilities);
  const stands = probabilities[first] >= settings.least[first] && probabilities[first] - probabilities[second] >= settings.margin;
  return stands ? first : -1;
}

// The texts that the artifact answered when the page was made. Rounding may move an answer that lies at a boundary.
async function check() {
  let largest = 0;
  let moved = 0;
  for (const [text, tokens, shares, answered] of settings.probes) {
    const expected = shares.map(Math.fround);
    const { probabilities, ids } = await answer(text);
    if (ids.join() !== tokens.join()) throw new Error(`the tokenizer reads ${JSON.stringify(text.slice(0, 40))} otherwise in a browser than the artifact does, so this page answers nothing`);
    probabilities.forEach((each, index) => (largest = Math.max(largest, Math.abs(each - expected[index]))));
    if (decide(expected) !== answered) throw new Error(`this page decides otherwise than the artifact does on ${JSON.stringify(text.slice(0, 40))}, so it answers nothing`);
    if (decide(probabilities) !== answered) moved += 1;
  }
  const said = `a probability differs by at most ${largest.toExponential(0)}`;
  if (!(largest <= settings.allowed)) throw new Error(`this browser answers otherwise than the artifact does (${said}, and ${settings.allowed} is allowed), so this page answers nothing`);
  $("check").textContent = `Checked on this machine: ${settings.probes.length - moved} texts are answered as the artifact answers them (${said}${moved ? `, which changes the answer to ${moved} more` : ""}).`;
}

let all = false;
function show({ probabilities, cut }) {
  const order = ranked(probabilities);
  const unsure = decide(probabilities) < 0;
  const body = document.querySelector("tbody");
  body.className = unsure ? "" : "sure";
  $("unsure").hidden = !unsure;
  $("unsure").textContent = `Unsure: ${settings.labels[order[0]]} is the most probable, with ${(100 * probabilities[order[0]]).toFixed(1)}% alone.`;
  body.replaceChildren(
    ...order.slice(0, all ? undefined : SHOWN).map((index) => {
      const row = document.createElement("tr");
      const [name, bar, number] = ["th", "td", "td"].map((kind) => row.appendChild(document.createElement(kind)));
      name.scope = "row";
      name.textContent = settings.labels[index];
      const progress = bar.appendChild(document.createElement("progress"));
      progress.max = 1;
      progress.value = probabilities[index];
      progress.setAttribute("aria-label", settings.labels[index]);
      number.className = "n";
      number.textContent = `${(100 * probabilities[index]).toFixed(1)}%`;
      return row;
    }),
  );
  $("more").hidden = order.length <= SHOWN;
  $("more").textContent = all ? `Only the first ${SHOWN}` : `All ${order.length} labels`;
  $("cut").hidden = !cut;
  $("cut").textContent = `The text is longer than ${settings.longest} tokens; the model reads its ${settings.side === "left" ? "end" : "beginning"} alone.`;
  $("answer").hidden = false;
}

// One answer at a time, and after it the text as it is by then. The time is the median of the last 15.
const times = [];
let busy = false;
async function react() {
  if (busy) return;
  busy = true;
  try {
    for (let text; text !== $("text").value; ) {
      text = $("text").value;
      if (!text.trim()) {
        $("answer").hidden = $("cut").hidden = true;
        continue;
      }
      const begin = performance.now();
      const found = await answer(text);
      times.push(performance.now() - begin);
      show(found);
      const last = times.slice(-15).sort((a, b) => a - b);
      $("time").textContent = `${last[last.length >> 1].toFixed(1)} ms`;
    }
  } catch (error) {
    failed(error);
  } finally {
    busy = false;
  }
}

function failed(error) {
  $("state").textContent = `Sorry: ${error?.message ?? error}.`;
  $("state").className = "bad";
  $("state").hidden = false;
  $("text").disabled = true;
}

$("text").addEventListener("input", () => session && react());
$("more").addEventListener("click", async () => {
  all = !all;
  show(await answer($("text").value));
});
try {
  await load();
  await check();
  $("state").hidden = true;
  document.body.dataset.ready = "yes";
  react();
} catch (error) {
  session = undefined;
  failed(error);
}
