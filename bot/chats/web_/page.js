// Runs once, when gr.HTML puts the conversation on the page; `element`, `trigger` and `watch` come from it.
// Presses and examples become Gradio events; the newest turn stays in sight while the reader is at the end.
element.addEventListener("click", (click) => {
  const button = click.target.closest("button");
  if (button?.dataset.press) trigger("click", { press: button.dataset.press });
  if (button?.dataset.example) trigger("select", { example: button.dataset.example });
});

const scroller = element.closest("#talk");
const room = () => scroller.scrollHeight - scroller.clientHeight;
let atEnd = true;
let known = room();
const toEnd = () => {
  known = room();
  if (atEnd) scroller.scrollTop = known;
};
scroller.addEventListener("scroll", () => {
  // Where the talk grew or shrank since, it was not the reader who left the end: the observer follows.
  if (room() === known) atEnd = known - scroller.scrollTop < 80;
});
const sizes = new ResizeObserver(toEnd);
sizes.observe(element);
sizes.observe(scroller);

const speak = () => {
  const talk = element.querySelector(".talk");
  if (talk) document.documentElement.lang = talk.lang;
};
watch("value", speak);
speak();
