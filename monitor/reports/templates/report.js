"use strict";
// Adds to a page that can be read without it: a cursor over the curves, curves that can be switched off, sorting.
(() => {
  document.documentElement.classList.add("with-script");

  const cursor = (figure) => {
    const slider = figure.querySelector("input[type=range]");
    const readout = figure.querySelector(".readout");
    const stills = [...figure.querySelectorAll(".film .still")];
    const drawings = [...figure.querySelectorAll(".plots svg")];
    const heads = [...figure.querySelectorAll(".data thead th")].map((cell) => cell.textContent);
    const [, VIEWERS, , VALENCE, FROM, TO, ATTENTION, FACES] = heads.keys();
    const filled = (words, ...values) => values.reduce((text, value, n) => text.replace(values.length > 1 ? `{${n}}` : "{}", value), words);
    const rows = [...figure.querySelectorAll(".data tbody tr")].map((row) =>
      [...row.children].map((cell) => cell.textContent),
    );
    const hasValence = rows.some((row) => /\d/.test(row[VALENCE]));
    const end = Number(drawings[0].dataset.end);
    slider.style.setProperty("--step", `${100 / rows.length}%`);

    const words = (row) => {
      const emotions = [...figure.querySelectorAll(".legend li:not(.off)")]
        .map((item) => [...item.parentElement.children].indexOf(item) + FACES)
        .map((column) => [heads[column], row[column]])
        .filter(([, share]) => parseFloat(share) >= 1)
        .sort((a, b) => parseFloat(b[1]) - parseFloat(a[1]));
      const valence = [heads[VALENCE], `${row[VALENCE]} (${filled(figure.dataset.range, row[FROM], row[TO])})`];
      return [
        ...(hasValence ? [valence] : []),
        [heads[ATTENTION], row[ATTENTION]],
        [heads[VIEWERS], row[VIEWERS]],
        ...emotions,
      ];
    };

    const show = (second) => {
      const row = rows[second];
      const middle = (second + Math.min(second + 1, end)) / 2;
      for (const drawing of drawings) {
        const { left, plot } = drawing.dataset;
        const line = drawing.querySelector(".cursor");
        const x = Number(left) + (Number(plot) * middle) / end;
        line.setAttribute("x1", x);
        line.setAttribute("x2", x);
        line.setAttribute("visibility", "visible");
      }
      const lit = Math.min(stills.length - 1, Math.floor((middle / end) * stills.length));
      stills.forEach((still, index) => still.classList.toggle("lit", index === lit));
      slider.value = second;
      slider.setAttribute("aria-valuetext", filled(figure.dataset.second, second));
      const strong = document.createElement("strong");
      strong.textContent = filled(figure.dataset.second, second);
      readout.replaceChildren(
        strong,
        ...words(row).flatMap(([name, text]) => {
          const span = document.createElement("span");
          const bold = document.createElement("b");
          bold.textContent = text;
          span.append(`${name} `, bold);
          return [" ", span];
        }),
      );
    };

    slider.addEventListener("input", () => show(Number(slider.value)));
    slider.addEventListener("focus", () => show(Number(slider.value)));
    const point = (event) => {
      const drawing = drawings.find((each) => each.getBoundingClientRect().width > 0);
      const box = drawing.getBoundingClientRect();
      const x = ((event.clientX - box.left) * drawing.viewBox.baseVal.width) / box.width;
      const second = Math.floor(((x - drawing.dataset.left) * end) / drawing.dataset.plot);
      if (second >= 0 && second < rows.length && second !== figure.shownSecond) {
        figure.shownSecond = second;
        show(second);
      }
    };
    for (const place of figure.querySelectorAll(".plots, .film")) {
      place.addEventListener("pointermove", point);
      place.addEventListener("pointerdown", point);
    }

    for (const item of figure.querySelectorAll(".legend li")) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(...item.childNodes);
      item.append(button);
      button.addEventListener("click", () => {
        const on = item.classList.toggle("off") === false;
        button.setAttribute("aria-pressed", String(on));
        for (const curve of figure.querySelectorAll(`g[data-emotion="${item.dataset.emotion}"]`)) {
          curve.classList.toggle("off", !on);
        }
      });
    }
  };

  const sortable = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    const body = table.tBodies[0];
    const original = [...body.rows];
    const key = (row, column, kind) => {
      const text = row.cells[column].dataset.value;
      return text === undefined ? null : kind === "number" ? Number(text) : text.toLocaleLowerCase();
    };
    heads.forEach((head, column) => {
      const kind = head.dataset.sort;
      if (!kind) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = kind === "number" ? "descending" : "ascending";
        const other = kind === "number" ? "ascending" : "descending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        // What is not known stays last, whichever way is sorted.
        const rows = [...original].sort((a, b) => {
          const [one, two] = [key(a, column, kind), key(b, column, kind)];
          if (one === null || two === null) return (one === null) - (two === null);
          return one < two ? -sign : one > two ? sign : 0;
        });
        body.append(...rows);
      });
    });
  };

  // A link to an ad opens what it is folded into.
  const unfold = () => {
    const target = document.getElementById(location.hash.slice(1));
    const fold = target?.closest("details");
    if (fold && !fold.open) {
      fold.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", unfold);
  unfold();

  document.querySelectorAll("[data-curves]").forEach(cursor);
  document.querySelectorAll("[data-sortable]").forEach(sortable);
})();
