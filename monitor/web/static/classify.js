// Makes the page that works without it nicer: pictures can be dropped and pasted, and one sees that something happens.
"use strict";
(() => {
  const upload = document.getElementById("upload");
  const file = document.getElementById("image");
  const url = document.getElementById("url");
  const status = document.getElementById("status");
  document.documentElement.classList.add("scripted");

  const send = (files) => {
    const picture = [...files].find((one) => one.type.startsWith("image/"));
    if (!picture) {
      status.textContent = status.dataset.noPicture;
      return;
    }
    const one = new DataTransfer();
    one.items.add(picture);
    file.files = one.files;
    upload.requestSubmit();
  };

  // Whether what is dragged can be of use here: a file, or the address of a picture from another page.
  const wanted = (event) => [...event.dataTransfer.types].some((type) => type === "Files" || type === "text/uri-list");
  let depth = 0;
  const show = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  document.addEventListener("dragenter", (event) => { if (wanted(event)) show(1); });
  document.addEventListener("dragleave", (event) => { if (wanted(event)) show(-1); });
  document.addEventListener("dragover", (event) => { if (wanted(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    show(-depth);
    if (!wanted(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files.length) {
      send(event.dataTransfer.files);
    } else {
      url.value = event.dataTransfer.getData("text/uri-list").split("\n")[0].trim();
      url.form.requestSubmit();
    }
  });

  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      send(event.clipboardData.files);
    } else if (!event.target.closest("input")) {
      url.value = event.clipboardData.getData("text").trim();
      url.focus();
    }
  });

  file.addEventListener("change", () => { if (file.files.length) upload.requestSubmit(); });

  for (const form of document.querySelectorAll("form.panel")) {
    form.addEventListener("submit", () => {
      status.textContent = form === upload ? status.dataset.reading : status.dataset.fetching;
      for (const button of document.querySelectorAll("form.panel button")) button.disabled = true;
    });
  }
  // Shown again from the browser's memory, the page is as it was before.
  window.addEventListener("pageshow", () => {
    status.textContent = "";
    for (const button of document.querySelectorAll("form.panel button")) button.disabled = false;
  });
})();
