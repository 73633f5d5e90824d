// Runs once, when gr.HTML puts the conversation on the page; `element`, `trigger` and `watch` come from it.
// Presses and examples become Gradio events; the newest turn stays in sight while the reader is at the end.
element.addEventListener("click", (click) => {
  const button = click.target.closest("button");
  if (button?.dataset.press) trigger("click", { press: button.dataset.press });
  if (button?.dataset.example) trigger("select", { example: button.dataset.example });
});

const scroller = element.closest("#talk");
let atEnd = true;
const toEnd = () => atEnd && (scroller.scrollTop = scroller.scrollHeight);
scroller.addEventListener("scroll", () => {
  atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80;
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
