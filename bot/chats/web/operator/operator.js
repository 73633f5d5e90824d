// The operator tab: shows the parts of the tab that the bot sends, and posts what the operator does.
"use strict";

const tab = byId("tab");

// ---- login

byId("login")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [field, button] = [byId("password"), byId("log-in")];
  button.disabled = true;
  try {
    await post("/operator/login", { password: field.value });
    location.reload();
  } catch (error) {
    showNotice(sentence(error));
    button.disabled = false;
    field.select();
  }
});

byId("log-out")?.addEventListener("click", async () => {
  await post("/operator/logout", {}).then(() => location.reload(), (error) => showNotice(sentence(error)));
});

// ---- the parts of the tab, live

let stream = null;

function connect() {
  stream?.close();
  stream = new EventSource(`/operator/events?${new URLSearchParams(tab.dataset)}`);
  stream.addEventListener("part", (event) => {
    const { name, html } = JSON.parse(event.data);
    morphInside(byId(`part-${name}`), parseHtml(html));
    loadPreviews();
  });
  stream.addEventListener("closed", () => location.reload());
  stream.onopen = () => showNotice("");
  stream.onerror = () => {
    showNotice(document.body.dataset.lost);
    // Refused: after a restart of the bot nobody is logged in.
    if (stream.readyState === EventSource.CLOSED) setTimeout(() => document.hidden || location.reload(), 3000);
  };
}

// Previews load one after another: one that is still drawn must not hold all connections.
let isLoading = false;

async function loadPreviews() {
  if (isLoading) return;
  isLoading = true;
  for (let image; (image = document.querySelector("img[data-src]:not([data-done])")); ) {
    const address = image.dataset.src;
    image.src = address;
    await image.decode().then(() => (image.hidden = false), () => {});
    image.dataset.done = address;
  }
  isLoading = false;
}

if (tab) {
  loadPreviews();
  // A hidden tab needs no connection, and a browser allows six to one address.
  document.addEventListener("visibilitychange", () => (document.hidden ? stream?.close() : connect()));
  connect();
}

// ---- the search for people is a part of the address, so a reload keeps it

byId("search")?.addEventListener("keydown", (key) => {
  if (key.key !== "Enter" || key.isComposing || key.keyCode === 229) return;
  location.search = new URLSearchParams({ tab: tab.dataset.tab, search: key.target.value });
});

// ---- the level of the log survives a reload of this tab

const level = byId("level");
if (level) {
  level.value = sessionStorage.getItem("level") ?? "info";
  const apply = () => {
    tab.dataset.level = level.value;
    sessionStorage.setItem("level", level.value);
  };
  level.addEventListener("change", apply);
  apply();
}

// ---- actions: a button names its action; one with a question asks before, and for what else it needs

const ask = byId("ask");
const fields = ["credits", "days", "duration", "reason"];
let asking = null;

async function act(button, more = {}) {
  button.disabled = true;
  try {
    const answer = await post("/operator/act", { do: button.dataset.do, subject: button.dataset.subject ?? "", ...more });
    showNotice((await answer.json()).said);
  } catch (error) {
    showNotice(sentence(error));
  }
  button.disabled = false;
}

document.addEventListener("click", (click) => {
  const button = click.target.closest("button[data-do]");
  if (!button || click.detail > 1) return; // ignore the second click of a double click
  if (!button.dataset.question) return void act(button);
  asking = button;
  const wanted = (button.dataset.fields ?? "").split(" ");
  byId("ask-question").textContent = button.dataset.question;
  for (const name of fields) {
    byId(`ask-${name}`).value = "";
    byId(`ask-${name}`).closest("label").hidden = !wanted.includes(name);
  }
  ask.showModal();
});

function answerYes() {
  const wanted = (asking.dataset.fields ?? "").split(" ").filter(Boolean);
  const values = Object.fromEntries(wanted.map((name) => [name, byId(`ask-${name}`).value]));
  ask.close();
  act(asking, values);
}

byId("ask-yes")?.addEventListener("click", answerYes);
byId("ask-no")?.addEventListener("click", () => ask.close());
ask?.addEventListener("keydown", (key) => {
  // Enter that completes a word of an input method does not answer.
  if (key.key !== "Enter" || key.isComposing || key.keyCode === 229 || key.target.matches("button")) return;
  key.preventDefault();
  answerYes();
});
