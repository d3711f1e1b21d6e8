"use strict";
// Labels texts with one key each; keeps them in localStorage, and saves them as the CSV file.
const asked = JSON.parse(document.getElementById("asked").textContent);
const at = (id) => document.getElementById(id);
const UNCLEAR = "?";
let labels = asked.given.slice();
let undone = []; // [place, what it was] of every change, the last one last
let place = 0;
let keeps = true;
try {
  const kept = JSON.parse(localStorage.getItem(asked.key) || "[]");
  kept.forEach((label, i) => { if (label && i < labels.length) labels[i] = label; });
} catch { keeps = false; }

const buttons = asked.labels.map((label, i) => {
  const button = document.createElement("button");
  button.type = "button";
  if (i < asked.keys.length) {
    const key = document.createElement("kbd");
    key.textContent = asked.keys[i];
    button.append(key);
  }
  const name = document.createElement("span");
  label.split(/(?<=[_/.-])/).forEach((part, j) => {
    if (j) name.append(document.createElement("wbr"));
    name.append(part);
  });
  button.append(name);
  button.addEventListener("click", () => choose(label));
  at("labels").append(button);
  return button;
});

function open() {
  const gap = labels.findIndex((label) => !label);
  return gap < 0 ? labels.length : gap;
}
function keep() {
  try { localStorage.setItem(asked.key, JSON.stringify(labels)); } catch { keeps = false; }
}
function choose(label) {
  undone.push([place, labels[place]]);
  labels[place] = label;
  keep();
  const later = labels.findIndex((each, i) => i > place && !each);
  place = later < 0 ? Math.min(place + 1, labels.length - 1) : later;
  clear();
  show();
}
function undo() {
  const last = undone.pop();
  if (last) { [place, labels[last[0]]] = last; keep(); show(); }
}
function move(by) {
  place = Math.max(0, Math.min(labels.length - 1, place + by));
  show();
}
function show() {
  const [row, text, seen] = asked.texts[place];
  const done = labels.filter(Boolean).length;
  at("text").textContent = seen || text;
  at("text").scrollTop = 0;
  at("place").textContent = `Text ${place + 1} of ${labels.length} (row ${row})`;
  at("bar").max = Math.max(1, Math.min(asked.needed, labels.length));
  at("bar").value = Math.min(open(), at("bar").max);
  const enough = open() >= asked.needed ? ", enough to try" : "";
  at("done").textContent = `${done} labelled${enough}`;
  asked.labels.forEach((label, i) => buttons[i].setAttribute("aria-pressed", labels[place] === label));
  at("unclear").setAttribute("aria-pressed", labels[place] === UNCLEAR);
  at("undo").disabled = !undone.length;
  const gap = done > open() ? ` Labels count down to the first gap, text ${open() + 1}.` : "";
  at("kept").textContent = (keeps
    ? "Your labels are kept in this browser; save the file to hand them on."
    : "This browser keeps nothing: save the file before you leave the page.") + gap;
}
function matching() {
  const wanted = at("search").value.trim().toLowerCase();
  const names = asked.labels.map((label) => label.toLowerCase().replaceAll("_", " "));
  const found = [];
  names.forEach((name, i) => {
    const match = name.includes(wanted) || asked.labels[i].toLowerCase().includes(wanted);
    buttons[i].hidden = !match;
    if (match) found.push(i);
  });
  found.sort((a, b) => names[b].startsWith(wanted) - names[a].startsWith(wanted));
  at("found").textContent = wanted
    ? (found.length ? `Enter: ${asked.labels[found[0]]}` : "no such label") : "";
  return found;
}
function clear() {
  if (!at("search") || !at("search").value) return;
  at("search").value = "";
  matching();
}
function save() {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = asked.texts.map(([row, text], i) => [row, text, labels[i]].map(quoted).join(","));
  const file = new Blob([["row,text,label", ...lines, ""].join("\r\n")], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = asked.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

at("unclear").addEventListener("click", () => choose(UNCLEAR));
at("back").addEventListener("click", () => move(-1));
at("next").addEventListener("click", () => move(1));
at("undo").addEventListener("click", undo);
at("save").addEventListener("click", save);
if (at("search")) {
  at("search").addEventListener("input", matching);
  at("search").addEventListener("keydown", (event) => {
    if (event.key === "Escape") { clear(); at("search").blur(); }
    if (event.key === "Enter" && at("search").value.trim()) {
      const found = matching();
      if (found.length) choose(asked.labels[found[0]]);
    }
    event.stopPropagation();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const label = asked.labels[asked.keys.indexOf(event.key)];
  if (event.key.length === 1 && label !== undefined) choose(label);
  else if (event.key === UNCLEAR) choose(UNCLEAR);
  else if (event.key === "ArrowLeft") move(-1);
  else if (event.key === "ArrowRight") move(1);
  else if (event.key === "Backspace") undo();
  else if (event.key === "/" && at("search")) at("search").focus();
  else return;
  event.preventDefault();
});
place = Math.min(open(), labels.length - 1);
show();
