// Brand moments on the strip of an ad: click to add, drag or arrow keys to move, Delete to remove.
"use strict";
(() => {
  const strip = document.getElementById("timeline");
  const field = strip && strip.dataset.edit && document.getElementById(strip.dataset.edit);
  if (!field) return;
  const words = JSON.parse(strip.dataset.words);
  const length = Number(strip.dataset.length);
  const video = document.getElementById("video");
  let moments = [];
  strip.classList.add("edits");

  const rounded = (second) => Math.round(10 * Math.min(length, Math.max(0, second))) / 10;
  const read = () => field.value.split(",").map((part) => parseFloat(part)).filter((second) => second >= 0 && second <= length);
  const write = () => { field.value = moments.map((moment) => moment.second).sort((a, b) => a - b).join(", "); };
  const at = (event) => {
    const box = strip.getBoundingClientRect();
    return rounded(length * (event.clientX - box.left) / box.width);
  };
  const seek = (second) => { if (video && video.readyState) video.currentTime = second; };

  const place = (moment, second) => {
    moment.second = rounded(second);
    moment.handle.style.left = `${100 * moment.second / length}%`;
    moment.handle.setAttribute("aria-valuenow", moment.second);
    moment.handle.setAttribute("aria-valuetext", words.moment.replace("{second}", moment.second));
  };
  const remove = (moment) => {
    const index = moments.indexOf(moment);
    moments.splice(index, 1);
    moment.handle.remove();
    write();
    (moments[Math.min(index, moments.length - 1)]?.handle || button).focus();
  };
  const add = (second) => {
    const handle = document.createElement("button"), moment = {handle, second};
    handle.type = "button";
    handle.className = "handle";
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", words.name);
    handle.setAttribute("aria-valuemin", 0);
    handle.setAttribute("aria-valuemax", length);
    place(moment, second);
    handle.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      handle.setPointerCapture(event.pointerId);
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      place(moment, at(event));
      seek(moment.second);
      write();
    });
    handle.addEventListener("click", (event) => event.stopPropagation());
    handle.addEventListener("keydown", (event) => {
      const step = {ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -1, PageUp: 1, Home: -length, End: length}[event.key];
      if (step !== undefined) {
        place(moment, moment.second + step);
        seek(moment.second);
        write();
      } else if (event.key === "Delete" || event.key === "Backspace") remove(moment);
      else return;
      event.preventDefault();
    });
    strip.append(handle);
    moments.push(moment);
    return handle;
  };
  const draw = () => {
    moments.forEach((moment) => moment.handle.remove());
    moments = [];
    read().forEach(add);
  };

  const help = document.createElement("div"), hint = document.createElement("p"), button = document.createElement("button");
  help.className = "moments-help";
  hint.className = "hint";
  hint.textContent = words.hint;
  button.type = "button";
  button.className = "quiet";
  button.textContent = words.add;
  button.addEventListener("click", () => {
    const handle = add(video ? video.currentTime : length / 2);
    write();
    handle.focus();
  });
  help.append(button, hint);
  strip.parentElement.append(help);
  strip.addEventListener("click", (event) => {
    const second = at(event);
    add(second).focus();
    seek(second);
    write();
  });
  field.addEventListener("input", draw);
  draw();
})();
