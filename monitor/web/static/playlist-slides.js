// Plays the ads of a playlist one after the other. Without it all of them are on the page.
"use strict";

const slides = document.getElementById("slides");
if (slides) {
  document.documentElement.classList.add("scripted");
  const shown = Array.from(slides.children).filter((slide) => !slide.dataset.skip);
  const play = document.getElementById("play");
  const now = document.getElementById("now");
  let place = -1;
  let timer = null;

  function show(to) {
    if (!shown.length) return;
    place = (to + shown.length) % shown.length;
    for (const slide of slides.children) slide.classList.toggle("is-shown", slide === shown[place]);
    slides.classList.add("is-stage");
    for (const old of slides.querySelectorAll("video")) old.remove();
    if (shown[place].dataset.clip) begin(shown[place]);
    now.textContent = shown[place].dataset.name;
    if (timer !== null) wait();
  }

  // A clip takes the place of its still; one that the browser cannot show leaves it.
  function begin(slide) {
    const clip = document.createElement("video");
    clip.muted = clip.autoplay = clip.playsInline = clip.loop = true;
    clip.setAttribute("aria-hidden", "true");
    clip.addEventListener("error", () => clip.remove());
    clip.src = slide.dataset.clip;
    slide.querySelector("figure").prepend(clip);
  }

  function wait() {
    clearTimeout(timer);
    timer = setTimeout(() => show(place + 1), 1000 * Number(shown[place].dataset.seconds));
  }

  function pause() {
    clearTimeout(timer);
    timer = null;
    play.textContent = play.dataset.play;
  }

  play.addEventListener("click", () => {
    if (timer !== null) {
      pause();
      return;
    }
    if (!shown.length) return;
    play.textContent = play.dataset.pause;
    timer = 0;
    show(Math.max(place, 0));
  });
  document.getElementById("next").addEventListener("click", () => show(place + 1));
  document.getElementById("back").addEventListener("click", () => show(Math.max(place, 0) - 1));
}
