// The order of a playlist by drag and by arrow keys. Without it the buttons of each ad do the same.
"use strict";

const root = document.documentElement;
root.classList.add("scripted");
let busy = false;

function list() {
  return document.getElementById("ads");
}

// Sends a form, and shows the editor as it is afterwards; focuses what `find` returns.
async function send(address, body, find) {
  if (busy) return;
  busy = true;
  list().classList.add("is-busy");
  let answer;
  try {
    answer = await fetch(address, { method: "POST", body, credentials: "same-origin" });
  } catch {
    location.reload();
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const editor = page.getElementById("editor");
  if (answer.ok && editor) {
    document.getElementById("editor").replaceWith(document.adoptNode(editor));
    const token = list()?.dataset.seen;
    for (const field of document.querySelectorAll("main input[name=seen]")) {
      if (token) field.value = token;
    }
    begin();
    const focused = find?.();
    if (focused) say(focused.closest("li"));
    focused?.focus();
  } else {
    const main = document.getElementById("main");
    main.replaceWith(document.adoptNode(page.getElementById("main")));
    document.getElementById("main").focus();
  }
  busy = false;
}

function say(ad) {
  const said = document.getElementById("said");
  if (!ad || !said) return;
  said.textContent = said.dataset.moved
    .replace("{name}", ad.dataset.name)
    .replace("{place}", ad.dataset.place)
    .replace("{count}", String(list().children.length));
}

function handleAt(place) {
  return () => list()?.querySelector(`li[data-place="${place}"] .handle`);
}

function begin() {
  const ads = list();
  if (!ads || !ads.querySelector(".handle")) return;
  new Sortable(ads, {
    handle: ".handle",
    // Browsers differ in whether a button can be dragged.
    forceFallback: true,
    fallbackTolerance: 3,
    animation: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150,
    onEnd: (event) => {
      if (event.oldIndex === event.newIndex) return;
      const places = Array.from(ads.children, (ad) => ad.dataset.place);
      const body = new URLSearchParams({ seen: ads.dataset.seen, order: places.join(",") });
      send(ads.dataset.order, body, handleAt(event.newIndex + 1));
    },
  });
  ads.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const handle = event.target.closest(".handle");
    if (!step || !handle) return;
    event.preventDefault();
    const ad = handle.closest("li");
    const place = Number(ad.dataset.place);
    if (place + step < 1 || place + step > ads.children.length) return;
    const body = new URLSearchParams({ seen: ads.dataset.seen, do: "to", to: place + step });
    send(ad.querySelector("form.move").action, body, handleAt(place + step));
  });
  ads.addEventListener("submit", (event) => {
    const form = event.target.closest("form.move");
    if (!form) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const place = Number(form.closest("li").dataset.place);
    const to = { up: place - 1, down: place + 1, remove: place, to: Number(body.get("to")) };
    const last = ads.children.length - (body.get("do") === "remove" ? 1 : 0);
    const there = Math.min(Math.max(to[body.get("do")], 1), last);
    const same = () =>
      body.get("do") === "remove"
        ? handleAt(there)()
        : list()?.querySelector(`li[data-place="${there}"] button[value=${body.get("do")}]:enabled`) ??
          handleAt(there)();
    send(form.action, body, same);
  });
}

begin();
