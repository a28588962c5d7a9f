// Keeps the wall of screens up to date: asks every five seconds, and changes only what has changed.
"use strict";
(() => {
  const EVERY_MS = 5000;
  const live = document.getElementById("live");
  const note = document.getElementById("updated");
  if (!live) return;
  let etag = null;

  const patchList = (old, fresh) => {
    const items = [...fresh.children], wanted = new Set(items.map((item) => item.id));
    for (const item of [...old.children]) if (!wanted.has(item.id)) item.remove();
    const known = new Map([...old.children].map((item) => [item.id, item]));
    items.forEach((item, index) => {
      const before = known.get(item.id), place = old.children[index] || null;
      if (before && before !== place) old.insertBefore(before, place);
      if (!before) old.insertBefore(item, place);
      else if (before.outerHTML !== item.outerHTML) before.replaceWith(item);
    });
  };

  const patch = (html) => {
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    const [olds, news] = [live, fresh].map((root) => [...root.children]);
    const held = live.contains(document.activeElement) && document.activeElement.closest("li");
    const same = olds.length === news.length && olds.every((old, i) => old.className === news[i].className);
    if (!same) live.replaceChildren(...news);
    else olds.forEach((old, i) => {
      if (old.tagName === "UL") patchList(old, news[i]);
      else if (old.outerHTML !== news[i].outerHTML) old.replaceWith(news[i]);
    });
    // The keyboard stays where it is, though what it was on has been replaced or moved.
    const place = held && document.getElementById(held.id);
    if (place && !place.contains(document.activeElement)) place.querySelector("a").focus({preventScroll: true});
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
        say(live.dataset.loggedOut, true);
        return;
      }
      if (answer.status !== 304 && !answer.ok) throw new Error(answer.statusText);
      if (answer.status === 200) {
        etag = answer.headers.get("ETag");
        patch(await answer.text());
      }
      say("", false);
    } catch {
      say(live.dataset.away, true);
    }
  };

  setInterval(ask, EVERY_MS);
  document.addEventListener("visibilitychange", ask);
})();
