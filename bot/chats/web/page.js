// The page: posts what the person does as JSON, and shows what the bot sends as server-sent events.
// All markup comes escaped from the bot; nothing here makes markup from text.
"use strict";

const by = (id) => document.getElementById(id);
const [talk, scroller, message, notice, lora, weight] = ["talk", "scroll", "message", "notice", "lora", "weight"].map(by);
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`);

// ---- what the bot sends: nodes are changed in place, so that focus, loaded pictures and the reader's place stay

function parsed(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  return box.content;
}

function morph(now, next) {
  if (now.nodeName !== next.nodeName) return void now.replaceWith(next);
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== next.data) now.data = next.data;
    return;
  }
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  morphInside(now, next);
}

function morphInside(now, next) {
  const children = [...next.childNodes];
  children.forEach((child, place) => {
    if (now.childNodes[place]) morph(now.childNodes[place], child);
    else now.append(child);
  });
  while (now.childNodes.length > children.length) now.lastChild.remove();
}

function fit() {
  for (const row of talk.querySelectorAll("[data-ratio]")) row.style.setProperty("--ratio", row.dataset.ratio);
}

function putTurn({ html, number, first }) {
  const next = parsed(html).querySelector(".turn");
  const now = talk.querySelector(`.turn[data-number="${number}"]`);
  if (now) morph(now, next);
  else {
    talk.querySelector(".welcome")?.remove();
    talk.append(next);
  }
  for (const turn of talk.querySelectorAll(".turn")) if (Number(turn.dataset.number) < first) turn.remove();
}

let stream = null;

function listen() {
  stream?.close();
  stream = new EventSource("/events");
  const on = (name, show) =>
    stream.addEventListener(name, (event) => {
      show(JSON.parse(event.data));
      fit();
      follow();
    });
  on("talk", ({ html }) => morphInside(talk, parsed(html)));
  on("turn", putTurn);
  on("card", ({ html }) => morphInside(by("card"), parsed(html)));
  stream.onopen = () => tell("");
  stream.onerror = () => {
    tell(document.body.dataset.lost);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => document.hidden || listen(), 5000);
  };
}

// A hidden tab needs no connection, and a browser allows six to one address.
document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : listen()));

function tell(sentence) {
  notice.textContent = sentence;
  notice.hidden = !sentence;
}

// ---- the newest turn stays in sight, unless the reader has scrolled up; of a tall one, its beginning

let atEnd = true;
let known = 0;
const room = () => scroller.scrollHeight - scroller.clientHeight;

function follow() {
  known = room();
  if (!atEnd) return;
  const newest = talk.lastElementChild;
  const isTall = newest?.matches(".turn:not(.person)") && newest.offsetHeight > scroller.clientHeight;
  scroller.scrollTop = isTall ? newest.offsetTop - 12 : known;
}

scroller.addEventListener("scroll", () => {
  // Where the talk grew or shrank since, it was not the reader who left the end: the observer follows.
  if (room() !== known) return;
  const endOfSight = scroller.scrollTop + scroller.clientHeight;
  atEnd = known - scroller.scrollTop < 80 || talk.lastElementChild.offsetTop + 80 < endOfSight;
});
const sizes = new ResizeObserver(follow);
sizes.observe(talk);
sizes.observe(scroller);

// ---- what the person does

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  tell("");
}

const sentence = (error) => (error instanceof TypeError ? document.body.dataset.unsent : error.message);

async function send() {
  const text = message.value;
  message.value = "";
  grow();
  atEnd = true;
  const isNamed = weight.disabled === false;
  try {
    await post("/say", {
      text,
      lora: lora.value,
      weight: isNamed ? Number(weight.value) : null,
      shape: chosen("shape").value,
      count: Number(chosen("count").value),
    });
  } catch (error) {
    message.value ||= text;
    grow();
    tell(sentence(error));
  }
}

by("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});

message.addEventListener("keydown", (key) => {
  // Enter that ends a word of an input method is not meant as "send".
  if (key.key !== "Enter" || key.shiftKey || key.isComposing || key.keyCode === 229) return;
  key.preventDefault();
  send();
});

document.addEventListener("click", async (click) => {
  const button = click.target.closest("button");
  if (!button || click.detail > 1) return; // the second click of a double click asks for nothing more
  if (button.matches(".example")) {
    message.value = button.textContent;
    grow();
    message.focus();
  } else if (button.dataset.press) {
    atEnd = true;
    button.disabled = true;
    await post("/press", { press: button.dataset.press }).catch((error) => tell(sentence(error)));
    button.disabled = false;
  } else if (button.dataset.locale) {
    const isDone = await post("/language", { locale: button.dataset.locale }).then(() => true, (error) => tell(sentence(error)));
    if (isDone) location.reload();
  }
});

function grow() {
  message.style.height = "auto";
  message.style.height = `${message.scrollHeight + 2}px`;
}

function showStrength() {
  const own = lora.selectedOptions[0]?.dataset.weight; // the weight belongs to a named LoRA
  weight.disabled = own === undefined;
  by("strength").textContent = weight.disabled ? "" : weight.value;
}

message.addEventListener("input", grow);
weight.addEventListener("input", showStrength);
lora.addEventListener("change", () => {
  weight.value = lora.selectedOptions[0].dataset.weight ?? 1;
  showStrength();
});

// ---- what is typed and chosen survives a reload of this tab

addEventListener("pagehide", () => {
  const draft = [message.value, lora.value, weight.value, chosen("shape").value, chosen("count").value, by("options").open];
  sessionStorage.setItem("draft", JSON.stringify(draft));
});

const draft = JSON.parse(sessionStorage.getItem("draft") ?? "null");
if (draft) {
  [message.value, lora.value, weight.value] = draft;
  for (const [name, value] of [["shape", draft[3]], ["count", draft[4]]])
    for (const input of document.querySelectorAll(`input[name=${name}]`)) input.checked = input.value === value;
  by("options").open = draft[5];
  if (lora.selectedIndex < 0) lora.value = ""; // it has left the shelf
}
if (matchMedia("(max-width: 800px)").matches) by("panel").open = false;
grow();
showStrength();
fit();
follow();
listen();
