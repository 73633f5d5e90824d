// What both pages share: HTML of the bot changes nodes in place, and what a person does is posted as JSON.
// The bot escapes all markup; these scripts never make markup from text.
"use strict";

const byId = (id) => document.getElementById(id);

// ---- nodes change in place, so that focus, loaded pictures and the scroll position stay

function parseHtml(html) {
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
  if (now.dataset?.src && now.dataset.src === next.dataset.src) return; // a picture that the script loads
  for (const { name } of [...now.attributes]) if (!next.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of next.attributes) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  morphInside(now, next);
}

function morphInside(now, next) {
  const children = [...next.childNodes];
  children.forEach((child, index) => {
    if (now.childNodes[index]) morph(now.childNodes[index], child);
    else now.append(child);
  });
  while (now.childNodes.length > children.length) now.lastChild.remove();
}

// ---- posts and their refusals

function showNotice(sentence) {
  byId("notice").textContent = sentence;
  byId("notice").hidden = !sentence;
}

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(await answer.text());
  showNotice("");
  return answer;
}

const sentence = (error) => (error instanceof TypeError ? document.body.dataset.unsent : error.message);

// ---- the language

let isReloading = false;

function reloadOnce() {
  if (!isReloading) location.reload(); // a second call would break off the first
  isReloading = true;
}

document.addEventListener("click", async (click) => {
  const button = click.target.closest("button[data-locale]");
  if (!button || click.detail > 1) return; // ignore the second click of a double click
  const isDone = await post("/language", { locale: button.dataset.locale }).then(() => true, (error) => showNotice(sentence(error)));
  if (isDone) reloadOnce();
});
