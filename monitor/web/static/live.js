// Keeps the page of a running session up to date from the server's events.
"use strict";
(() => {
  const WIDTH = 300, HEIGHT = 100, QUIET_S = 120, SVG = "http://www.w3.org/2000/svg";
  const root = document.getElementById("live");
  const byId = (id) => document.getElementById(id);
  const lookBack = Number(root.dataset.window);
  const words = root.dataset;
  // A model with other labels than the seven emotions gives plain figures only.
  const plain = words.plain !== undefined;
  const valenceOf = (one) => (plain ? one.valence : one.valence_corrected);
  const causeWords = JSON.parse(words.causes);
  const UNKNOWN = "–";

  const put = (id, text) => {
    const place = byId(id);
    if (place.textContent !== String(text)) place.textContent = text;
  };
  const percent = (share) => (share === null ? UNKNOWN : words.percent.replace("42", Math.round(100 * share)));
  const signed = (value) => {
    if (value === null) return UNKNOWN;
    const number = Math.abs(value).toFixed(2), text = number.replace(".", words.decimal);
    return Number(number) === 0 ? text : (value < 0 ? "−" : "+") + text;
  };
  const duration = (seconds) => (seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 360) / 10} h`.replace(".", words.decimal));

  const drawCurve = (curve) => {
    const stretches = [];
    let before = null;
    for (const second of curve) {
      if (valenceOf(second) === null) continue;
      if (before === null || before - second.age_s > 1) stretches.push([]);
      const x = (WIDTH * (lookBack - second.age_s + 1)) / lookBack;
      stretches.at(-1).push(`${x.toFixed(1)},${((HEIGHT * (1 - valenceOf(second))) / 2).toFixed(1)}`);
      before = second.age_s;
    }
    const svg = byId("curve");
    if (svg === null) return;
    for (const line of [...svg.querySelectorAll("polyline")]) line.remove();
    for (const points of stretches) {
      const line = document.createElementNS(SVG, "polyline");
      line.setAttribute("points", points.join(" "));
      svg.append(line);
    }
  };

  const draw = (live) => {
    put("viewers", live.viewers);
    put("viewers-note", words.recent.replace("{}", live.recent_viewers));
    put("attention", live.attentive === null ? UNKNOWN : percent(live.viewers ? live.attentive / live.viewers : 0));
    put("attention-note", live.attentive === null ? words.few : words.looking.replace("{0}", live.attentive).replace("{1}", live.viewers));
    put("valence", signed(valenceOf(live)));
    put("read", live.emotion_viewers);
    put("ad", live.ad ? live.ad.name : words.noAd);
    put("ad-time", live.ad ? words.position.replace("{0}", Math.round(live.ad.position_s)).replace("{1}", Math.round(live.ad.duration_s)) : "");
    byId("ad-progress").value = live.ad ? live.ad.position_s / live.ad.duration_s : 0;
    byId("mood-note").hidden = live.mood !== null;
    const note = byId("calibration-note"), parts = plain ? live.mood : live.shares;
    if (note !== null) note.hidden = live.mood === null || live.shares !== null;
    for (const row of document.querySelectorAll("#mood li")) {
      const share = parts ? parts[row.dataset.group] : null;
      row.querySelector("rect").setAttribute("width", `${100 * (share ?? 0)}%`);
      row.querySelector(".n").textContent = percent(share);
    }
    drawCurve(live.curve);
    const causes = live.gaps.map((gap) => (causeWords[gap.cause] ?? gap.cause.replaceAll("_", " ")) + (gap.detail ? ` (${gap.detail})` : ""));
    put("gap-causes", causes.join(", "));
    byId("gaps").hidden = causes.length === 0;
    byId("silence").hidden = live.silent_s <= QUIET_S || !live.running;
    put("silent", duration(live.silent_s));
  };

  const say = (text) => put("status", text);
  const connected = (yes) => byId("state").classList.toggle("on", yes);
  const events = new EventSource(root.dataset.events);
  events.addEventListener("open", () => { connected(true); say(""); });
  events.addEventListener("message", (event) => {
    const live = JSON.parse(event.data);
    draw(live);
    if (!live.running) {
      events.close();
      connected(false);
      put("state", words.over);
    }
  });
  events.addEventListener("error", async () => {
    connected(false);
    if (events.readyState !== EventSource.CLOSED) {
      say(words.lost);
      return;
    }
    // Refused: the reason is in the answer, which the browser does not hand out for events.
    const answer = await fetch(root.dataset.events, { headers: { Accept: "application/problem+json" } }).catch(() => null);
    if (answer === null) {
      say(words.away);
    } else if (answer.status === 204) {
      put("state", words.over);
    } else if (answer.ok) {
      location.reload();
    } else {
      say((await answer.json()).detail);
    }
  });
  window.addEventListener("pagehide", () => events.close());
})();
