// A key presses the button or follows the link that names it.
"use strict";
(() => {
  document.documentElement.classList.add("scripted");
  const box = document.getElementById("keys");
  box.checked = sessionStorage.getItem("keys") !== "off";
  box.addEventListener("change", () => sessionStorage.setItem("keys", box.checked ? "on" : "off"));
  let pressed = false;
  addEventListener("keydown", (event) => {
    if (!box.checked || pressed || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const found = [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!found) return;
    event.preventDefault();
    // The next page is under way: a second key would decide about a face that nobody has seen.
    pressed = true;
    found.click();
  });
  // A page that the browser brings back takes keys again.
  addEventListener("pageshow", () => { pressed = false; });
})();
