// Keeps the wall of screens up to date: asks every five seconds, and changes only what has changed.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const live = document.getElementById("live");
  const note = document.getElementById("updated");
  if (!live) return;
  let etag = null;

  // A part that holds the focus is changed inside, so that the keyboard stays where it is.
  const replace = (old, fresh) => {
    const link = old.contains(document.activeElement) ? fresh.querySelector("a") : null;
    old.replaceWith(fresh);
    if (link) link.focus({preventScroll: true});
  };

  const patchList = (old, fresh) => {
    const known = new Map([...old.children].map((item) => [item.id, item]));
    let place = old.firstElementChild;
    for (const item of [...fresh.children]) {
      const before = known.get(item.id);
      known.delete(item.id);
      if (!before) {
        old.insertBefore(item, place);
        continue;
      }
      if (before !== place) old.insertBefore(before, place);
      else place = place.nextElementSibling;
      if (before.outerHTML !== item.outerHTML) replace(before, item);
    }
    for (const item of known.values()) item.remove();
  };

  const patch = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    const [olds, news] = [live, fresh].map((root) => [...root.children]);
    const same = olds.length === news.length && olds.every((old, i) => old.className === news[i].className);
    if (!same) live.replaceChildren(...news);
    else olds.forEach((old, i) => {
      if (old.tagName === "UL") patchList(old, news[i]);
      else if (old.outerHTML !== news[i].outerHTML) old.replaceWith(news[i]);
    });
  };

  const say = (words, bad) => {
    if (note.textContent !== words) note.textContent = words;
    note.classList.toggle("bad", bad);
  };

  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(live.dataset.poll, {
        headers: etag ? {"If-None-Match": etag} : {},
        signal: AbortSignal.timeout(10000),
      });
      if (answer.status === 401 || answer.status === 403) {
        say("You are logged out, so this is the state of before. Load the page again.", true);
        return;
      }
      if (answer.status !== 304 && !answer.ok) throw new Error(answer.statusText);
      if (answer.status === 200) {
        etag = answer.headers.get("ETag");
        patch(await answer.text());
      }
      say("", false);
    } catch {
      say("The hub cannot be reached, so this is the state of before. Trying again.", true);
    }
  };

  setInterval(ask, EVERY_MS);
  document.addEventListener("visibilitychange", ask);
})();
