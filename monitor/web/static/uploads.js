// Sends files to the library in parts, several at a time; goes on where one broke off.
"use strict";
(() => {
  const form = document.getElementById("send");
  if (!form) return;
  const words = JSON.parse(form.dataset.words);
  const input = document.getElementById("file");
  const list = document.getElementById("files");
  const said = document.getElementById("said");
  const AT_ONCE = 2, ANSWERS = {headers: {Accept: "application/json, application/problem+json"}};
  const waiting = [];
  let running = 0, stored = 0, refused = 0;
  document.documentElement.classList.add("scripted");
  input.required = false;

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const say = (text) => { said.textContent = text; };
  const sleep = (ms, signal) => new Promise((done) => {
    const end = () => { clearTimeout(timer); removeEventListener("online", end); done(); };
    const timer = setTimeout(end, ms);
    addEventListener("online", end, {once: true});
    signal.addEventListener("abort", end, {once: true});
  });

  const TABLE = Uint32Array.from({length: 256}, (_, n) => {
    for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc32 = (bytes) => {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
    return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, "0");
  };
  const bytesOf = async (file, start, end) => new Uint8Array(await file.slice(start, end).arrayBuffer());

  class Refused extends Error {}

  // Asks until there is an answer that says something about the file.
  const ask = async (item, address, options) => {
    for (let tries = 0; ; tries++) {
      if (item.abort.signal.aborted) throw new DOMException("", "AbortError");
      let wait = Math.min(30000, 1000 * 2 ** tries), note = words.paused;
      try {
        const made = typeof options === "function" ? await options() : options;
        const answer = await fetch(address, {...ANSWERS, ...made, headers: {...ANSWERS.headers, ...made.headers}, signal: item.abort.signal});
        if (answer.ok || answer.status === 404 || answer.status === 409) return answer;
        if (answer.status === 401) note = words.logged_out;
        else if ([408, 429, 502, 503, 504].includes(answer.status)) {
          note = words.busy;
          wait = 1000 * (Number(answer.headers.get("Retry-After")) || 0) || wait;
        } else if (answer.status < 500) {
          const problem = await answer.json().catch(() => ({}));
          throw new Refused(problem.detail || `${answer.status} ${answer.statusText}`);
        }
      } catch (error) {
        if (error instanceof Refused || error.name === "AbortError") throw error;
      }
      show(item, note);
      await sleep(wait, item.abort.signal);
    }
  };

  const show = (item, text, bad = false) => {
    item.state.textContent = text;
    item.state.classList.toggle("bad", bad);
  };
  const progress = (item, offset) => {
    const percent = Math.floor(100 * offset / item.file.size);
    item.bar.value = percent;
    show(item, fill(words.sending, {percent}));
    if (percent >= item.told + 25) {
      item.told = percent;
      say(`${item.file.name}: ${fill(words.sending, {percent})}`);
    }
  };

  const begin = async (item) => {
    const first = await bytesOf(item.file, 0, 1 << 21);
    const body = new URLSearchParams({
      name: item.file.name, size: item.file.size, fingerprint: `${item.file.lastModified}-${crc32(first)}`,
      ...(form.dataset.creative ? {creative: form.dataset.creative} : {folder: item.folder}),
    });
    const answer = await ask(item, form.dataset.begin, {method: "POST", body});
    if (!answer.ok) throw new Refused((await answer.json().catch(() => ({}))).detail || answer.statusText);
    return answer.json();
  };

  const send = async (item) => {
    let upload = item.upload = await begin(item);
    for (let offset = upload.offset; ;) {
      if (offset >= item.file.size) {
        item.bar.removeAttribute("value");
        show(item, words.checking);
        const answer = await ask(item, `${upload.address}/finish`, {method: "POST"});
        if (answer.ok) return answer.json();
        if (answer.status === 404) throw new Refused((await answer.json().catch(() => ({}))).detail || "");
        offset = Number(answer.headers.get("Upload-Offset"));
      }
      progress(item, offset);
      const answer = await ask(item, upload.address, async () => {
        const part = await bytesOf(item.file, offset, offset + upload.part);
        return {method: "PATCH", body: part, headers: {
          "Content-Type": "application/octet-stream", "Upload-Offset": offset, "Upload-Checksum": `crc32 ${crc32(part)}`,
        }};
      });
      if (answer.status === 404) upload = item.upload = await begin(item);
      offset = answer.status === 404 ? upload.offset : Number(answer.headers.get("Upload-Offset"));
    }
  };

  const run = async (item) => {
    running++;
    try {
      const made = await send(item);
      stored++;
      item.bar.remove();
      item.button.remove();
      const link = document.createElement("a");
      link.href = made.address;
      link.textContent = fill(words.open, {name: item.file.name});
      show(item, words.stored);
      item.li.append(link);
      say(`${item.file.name}: ${words.stored}`);
      if (form.dataset.creative) location.assign(made.address);
    } catch (error) {
      item.bar.remove();
      item.button.remove();
      if (error.name === "AbortError") {
        show(item, words.cancelled);
        if (item.upload) fetch(`${item.upload.address}/remove`, {method: "POST", redirect: "manual"}).catch(() => {});
      } else {
        refused++;
        show(item, error.message || words.refused, true);
        say(`${item.file.name}: ${words.refused}. ${error.message}`);
      }
    }
    running--;
    next();
  };

  const next = () => {
    while (running < AT_ONCE && waiting.length) run(waiting.shift());
    if (running || waiting.length || !(stored + refused)) return;
    say(fill(words.done, {stored, refused}));
    if (stored && !document.getElementById("reload")) {
      const link = document.createElement("a");
      link.id = "reload";
      link.href = location.pathname;
      link.textContent = words.again;
      list.after(link);
    }
  };

  const add = (file) => {
    const li = document.createElement("li");
    const [name, state] = [document.createElement("span"), document.createElement("span")];
    const bar = document.createElement("progress"), button = document.createElement("button");
    name.className = "file-name";
    name.textContent = file.name;
    state.className = "file-state";
    bar.max = 100;
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    button.type = "button";
    button.className = "quiet";
    button.textContent = words.cancel;
    button.setAttribute("aria-label", `${words.cancel}: ${file.name}`);
    li.append(name, bar, state, button);
    list.append(li);
    const folder = document.getElementById("into");
    const item = {file, li, state, bar, button, told: 0, abort: new AbortController(), folder: folder ? folder.value : ""};
    button.addEventListener("click", () => item.abort.abort());
    show(item, words.waiting);
    waiting.push(item);
  };

  const take = (files) => {
    const chosen = form.dataset.creative ? [...files].slice(0, 1) : [...files];
    chosen.forEach(add);
    next();
  };
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let depth = 0;
  const drag = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle("dragging", depth > 0);
  };
  addEventListener("dragenter", (event) => { if (holdsFiles(event)) drag(1); });
  addEventListener("dragleave", (event) => { if (holdsFiles(event)) drag(-1); });
  addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    drag(-Infinity);
    take(event.dataTransfer.files);
  });
  addEventListener("beforeunload", (event) => { if (running && !form.dataset.creative) event.preventDefault(); });
})();
