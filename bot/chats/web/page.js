// The page: posts what the person does as JSON, and shows what the bot sends as server-sent events.
"use strict";

const [conversation, scroller, input, lora, weight] = ["conversation", "scroll", "input", "lora", "weight"].map(byId);
const CONFIRM_MS = 5000;
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`);

// ---- events of the bot

function setRatios() {
  for (const row of conversation.querySelectorAll("[data-ratio]")) row.style.setProperty("--ratio", row.dataset.ratio);
}

function putMessage({ html, number, first }) {
  const next = parseHtml(html).querySelector(".message");
  const now = conversation.querySelector(`.message[data-number="${number}"]`);
  if (now) morph(now, next);
  else {
    conversation.querySelector(".welcome")?.remove();
    conversation.append(next);
  }
  for (const message of conversation.querySelectorAll(".message")) if (Number(message.dataset.number) < first) message.remove();
}

let stream = null;

function connect() {
  stream?.close();
  stream = new EventSource("/events");
  const on = (name, show) =>
    stream.addEventListener(name, (event) => {
      show(JSON.parse(event.data));
      setRatios();
      scrollToNewest();
    });
  on("conversation", async ({ html, locale }) => {
    morphInside(conversation, parseHtml(html));
    if (locale === document.documentElement.lang) return;
    await sending; // else the request is cut off, and its text returns to the box
    reloadOnce();
  });
  on("message", putMessage);
  on("card", ({ html }) => morphInside(byId("card"), parseHtml(html)));
  stream.onopen = () => showNotice("");
  stream.onerror = () => {
    showNotice(document.body.dataset.lost);
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => document.hidden || connect(), 5000);
  };
}

// A hidden tab needs no connection, and a browser allows six to one address.
document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : connect()));

// ---- the newest message stays visible unless the reader has scrolled up; of a tall message, its beginning

let atEnd = true;
let lastRange = 0;
const scrollRange = () => scroller.scrollHeight - scroller.clientHeight;

function scrollToNewest() {
  lastRange = scrollRange();
  if (!atEnd) return;
  const newest = conversation.lastElementChild;
  const isTall = newest?.matches(".message:not(.person)") && newest.offsetHeight > scroller.clientHeight;
  scroller.scrollTop = isTall ? newest.offsetTop - 12 : lastRange;
}

scroller.addEventListener("scroll", () => {
  // If the conversation changed its height, the reader did not leave the end: the observer scrolls.
  if (scrollRange() !== lastRange) return;
  const visibleEnd = scroller.scrollTop + scroller.clientHeight;
  atEnd = lastRange - scroller.scrollTop < 80 || conversation.lastElementChild.offsetTop + 80 < visibleEnd;
});
const sizes = new ResizeObserver(scrollToNewest);
sizes.observe(conversation);
sizes.observe(scroller);

// ---- actions of the person

let sending = Promise.resolve();

async function send() {
  const [text, edits] = [input.value, input.dataset.edits ?? ""];
  input.value = input.dataset.edits = "";
  fitInput();
  listCommands();
  atEnd = true;
  const isNamed = weight.disabled === false;
  try {
    await post("/say", {
      text,
      lora: lora.value,
      weight: isNamed ? Number(weight.value) : null,
      shape: chosen("shape").value,
      count: Number(chosen("count").value),
      edits,
    });
  } catch (error) {
    input.value ||= text;
    input.dataset.edits = edits;
    fitInput();
    showNotice(sentence(error));
  }
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  sending = send();
});

// A picture's file goes to the bot as it is: its settings are read, its pixels are not used.
async function readSettings(file) {
  if (!file) return;
  atEnd = true;
  try {
    const answer = await fetch("/info", { method: "POST", headers: { "Content-Type": file.type }, body: file });
    if (!answer.ok) throw new Error(await answer.text());
    showNotice("");
  } catch (error) {
    showNotice(sentence(error));
  }
}

byId("picture").addEventListener("change", ({ target }) => {
  readSettings(target.files[0]);
  target.value = "";
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  readSettings(event.dataTransfer.files[0]);
});

input.addEventListener("keydown", (key) => {
  // A key that an input method uses, as to complete a word, neither sends the message nor chooses a command.
  if (key.isComposing || key.keyCode === 229 || chooseByKey(key)) return;
  if (key.key !== "Enter" || key.shiftKey) return;
  key.preventDefault();
  sending = send();
});

// The first click on a hidden picture shows it, the next one opens it.
document.addEventListener("click", (click) => {
  const hidden = click.target.closest("a.spoiler");
  if (!hidden) return;
  click.preventDefault();
  hidden.classList.remove("spoiler");
  hidden.title = document.body.dataset.fullSize;
});

document.addEventListener("click", async (click) => {
  const button = click.target.closest("button");
  if (!button || click.detail > 1) return; // ignore the second click of a double click
  if (button.matches(".example")) {
    input.value = button.textContent;
    input.dataset.edits = button.dataset.edits ?? "";
    fitInput();
    input.focus();
  } else if (button.dataset.copy) {
    await navigator.clipboard.writeText(button.dataset.copy);
    showNotice(document.body.dataset.copied);
    setTimeout(() => showNotice(""), 2000);
  } else if (button.dataset.confirms && button.textContent !== button.dataset.confirms) {
    askAgain(button);
  } else if (button.dataset.press) {
    atEnd = true;
    button.disabled = true;
    await post("/press", { press: button.dataset.press }).catch((error) => showNotice(sentence(error)));
    button.disabled = false;
  }
});

// What cannot be undone needs a second press within some seconds.
function askAgain(button) {
  const label = button.textContent;
  button.textContent = button.dataset.confirms;
  setTimeout(() => {
    if (button.textContent === button.dataset.confirms) button.textContent = label;
  }, CONFIRM_MS);
}

function fitInput() {
  input.style.height = "auto";
  input.style.height = `${input.scrollHeight + 2}px`;
}

function showStrength() {
  const own = lora.selectedOptions[0]?.dataset.weight; // a weight requires a named LoRA
  weight.disabled = own === undefined;
  byId("strength").textContent = weight.disabled ? "" : weight.value;
  weight.style.setProperty("--filled", `${(100 * weight.value) / weight.max}%`);
}

// ---- commands that begin with what was typed

const commands = byId("commands");
let selected = null;

function select(row) {
  selected?.removeAttribute("aria-selected");
  selected = row;
  if (!row) return void input.removeAttribute("aria-activedescendant");
  row.setAttribute("aria-selected", "true");
  row.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", row.id);
}

function listCommands() {
  const isBegun = /^\/\w*$/.test(input.value);
  for (const row of commands.children) row.hidden = !isBegun || !row.dataset.command.startsWith(input.value);
  const first = commands.querySelector("li:not([hidden])");
  commands.hidden = !first;
  input.setAttribute("aria-expanded", String(!commands.hidden));
  select(first);
}

function complete(row) {
  input.value = `${row.dataset.command} `;
  listCommands();
  input.focus();
}

// Whether the list took the key. Enter sends a command that is typed in full.
function chooseByKey(key) {
  if (commands.hidden || key.shiftKey) return false;
  const rows = [...commands.querySelectorAll("li:not([hidden])")];
  const step = { ArrowDown: 1, ArrowUp: rows.length - 1 }[key.key];
  if (step) select(rows[(rows.indexOf(selected) + step) % rows.length]);
  else if (key.key === "Escape") commands.hidden = true;
  else if (key.key === "Tab" || (key.key === "Enter" && input.value !== selected.dataset.command)) complete(selected);
  else return false;
  key.preventDefault();
  return true;
}

commands.addEventListener("mousedown", (press) => press.preventDefault()); // the text box keeps the focus
commands.addEventListener("click", ({ target }) => target.closest("li") && complete(target.closest("li")));
input.addEventListener("blur", () => (commands.hidden = true));
input.addEventListener("input", listCommands);
input.addEventListener("input", fitInput);
weight.addEventListener("input", showStrength);
lora.addEventListener("change", () => {
  weight.value = lora.selectedOptions[0].dataset.weight ?? 1;
  showStrength();
});

// ---- the typed text and the chosen options survive a reload of this tab

addEventListener("pagehide", () => {
  const draft = [input.value, lora.value, weight.value, chosen("shape").value, chosen("count").value, byId("options").open];
  sessionStorage.setItem("draft", JSON.stringify(draft));
});

const draft = JSON.parse(sessionStorage.getItem("draft") ?? "null");
if (draft) {
  [input.value, lora.value, weight.value] = draft;
  for (const [name, value] of [["shape", draft[3]], ["count", draft[4]]])
    for (const input of document.querySelectorAll(`input[name=${name}]`)) input.checked = input.value === value;
  byId("options").open = draft[5];
  if (lora.selectedIndex < 0) lora.value = ""; // it is no longer on the shelf
}
if (matchMedia("(max-width: 800px)").matches) byId("panel").open = false;
fitInput();
showStrength();
setRatios();
scrollToNewest();
connect();
