// Curves that are read off, zoomed and switched by group. Without this script the static pictures stand.
"use strict";
(() => {
  const source = document.getElementById("curves-data");
  const place = document.getElementById("curves-drawn");
  if (!source || !place) return;
  const data = JSON.parse(source.textContent);
  // Okabe and Ito's colours without the yellow; null is the colour of writing.
  const COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", null, "#E69F00", "#56B4E9"];
  const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];
  const HEIGHT = 380;
  const WHOLE = [0, 1, 2, 3, 4, 5, 6].flatMap((n) => [1, 2, 5].map((one) => one * 10 ** n));
  const MANY = 8;
  const FACTOR = 10;
  const hidden = new Set();
  let plot = null;
  let named = 0;

  const made = (tag, facts = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), facts);
    element.append(...inside);
    return element;
  };
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (group) => COLOURS[group % COLOURS.length] ?? style("--ink");
  const dash = (group) => DASHES[Math.floor(group / COLOURS.length) % DASHES.length];
  const spelled = (value) => (value === null || value === undefined ? "—" : String(value));

  const finite = () => data.curves.flatMap((curve) => curve.y[named]).filter((v) => v !== null);
  const isWide = () => {
    const values = finite();
    const least = values.reduce((a, b) => Math.min(a, b), Infinity);
    return least > 0 && values.reduce((a, b) => Math.max(a, b), 0) / least > FACTOR;
  };

  const quantity = made("select");
  data.quantities.forEach((name, n) => quantity.append(made("option", { value: n }, name)));
  const logarithmic = made("input", { type: "checkbox" });
  const whole = made("button", { type: "button" }, "Reset zoom");
  const readout = made("p", { className: "small readout" });
  const frame = made("div", { className: "chart", tabIndex: 0 });
  frame.setAttribute("role", "img");

  const shown = () => data.curves.flatMap((curve, n) => (hidden.has(curve.group) ? [] : [n]));

  const read = (index, focused) => {
    if (index === null || index === undefined) {
      readout.textContent = "Point at a curve to read it off, or move along with the arrow keys; "
        + "drag to zoom, double click for the whole range.";
      return;
    }
    const which = shown();
    const chosen = which.length <= MANY ? which : which.filter((n) => n + 1 === focused);
    const values = chosen.map((n) => `${data.curves[n].arm} ${spelled(data.curves[n].y[named][index])}`);
    const few = values.length ? values.join(" · ") : "no curve is near";
    readout.textContent = `${data.unit} ${data.x[index]}, ${data.quantities[named]}: ${few}`;
  };

  /** A cross where an arm came to the endpoint. */
  const marks = (u) => {
    const size = 5 * devicePixelRatio;
    data.curves.forEach((curve, n) => {
      if (curve.mark === null || !u.series[n + 1].show) return;
      const index = Math.min(Math.floor(curve.mark / data.bunch), data.x.length - 1);
      const value = curve.y[named][index];
      if (value === null || value === undefined) return;
      const x = u.valToPos(data.x[index], "x", true), y = u.valToPos(value, "y", true);
      const { left, top, width, height } = u.bbox;
      if (x < left || x > left + width || y < top || y > top + height) return;
      u.ctx.save();
      u.ctx.strokeStyle = style("--bad");
      u.ctx.lineWidth = 2 * devicePixelRatio;
      u.ctx.beginPath();
      for (const way of [1, -1]) {
        u.ctx.moveTo(x - size, y - way * size);
        u.ctx.lineTo(x + size, y + way * size);
      }
      u.ctx.stroke();
      u.ctx.restore();
    });
  };

  const draw = () => {
    plot?.destroy();
    const line = { stroke: style("--quiet"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line") } };
    let focused = null;
    const few = data.x.length < 60;
    plot = new uPlot({
      width: Math.max(280, frame.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      focus: { alpha: 0.25 },
      cursor: { focus: { prox: 24 }, points: { size: 7 } },
      scales: { x: { time: false }, y: { distr: logarithmic.checked ? 3 : 1 } },
      axes: [{ ...line, label: data.unit, incrs: WHOLE }, { ...line, label: data.quantities[named], size: 70 }],
      series: [{}, ...data.curves.map((curve) => ({
        label: curve.arm,
        stroke: colour(curve.group),
        dash: dash(curve.group),
        width: 1.6,
        points: { show: few && data.curves.length <= MANY, size: 5, fill: style("--ground") },
        show: !hidden.has(curve.group),
      }))],
      hooks: {
        draw: [marks],
        setSeries: [(u, n) => { focused = n; read(u.cursor.idx, focused); }],
        setCursor: [(u) => read(u.cursor.idx, focused)],
      },
    }, [data.x, ...data.curves.map((curve) => data.x.map((_, n) => {
      const value = curve.y[named][n] ?? null;
      return logarithmic.checked && value !== null && value <= 0 ? null : value;
    }))], frame);
    frame.setAttribute("aria-label",
      `${data.quantities[named]} by ${data.unit}: ${shown().length} of ${data.curves.length} curves`);
    read(null);
  };

  frame.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !plot) return;
    event.preventDefault();
    const now = plot.cursor.idx ?? (step > 0 ? -1 : data.x.length);
    const next = Math.min(data.x.length - 1, Math.max(0, now + step));
    plot.setCursor({ left: plot.valToPos(data.x[next], "x"), top: 10 });
  });

  const legend = made("fieldset", {}, made("legend", {}, "Groups"));
  const boxes = data.groups.map((label, group) => {
    const box = made("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(group); else hidden.add(group);
      data.curves.forEach((curve, n) => {
        if (curve.group === group) plot.setSeries(n + 1, { show: box.checked });
      });
      frame.setAttribute("aria-label",
        `${data.quantities[named]} by ${data.unit}: ${shown().length} of ${data.curves.length} curves`);
    });
    const swatch = made("span", { className: "swatch" });
    const size = data.curves.filter((curve) => curve.group === group).length;
    swatch.style.borderTopColor = COLOURS[group % COLOURS.length] ?? "var(--ink)";
    swatch.style.borderTopStyle = ["solid", "dashed", "dotted", "double"][Math.floor(group / COLOURS.length) % 4];
    legend.append(made("label", {}, box, swatch, size > 1 ? `${label} (${size})` : label));
    return box;
  });
  if (boxes.length > 1) {
    const all = made("button", { type: "button" }, "Toggle all");
    all.addEventListener("click", () => {
      const wanted = boxes.some((box) => !box.checked);
      for (const box of boxes) if (box.checked !== wanted) box.click();
    });
    legend.append(all);
  }

  quantity.addEventListener("change", () => {
    named = Number(quantity.value);
    logarithmic.checked = isWide();
    draw();
  });
  logarithmic.addEventListener("change", draw);
  whole.addEventListener("click", draw);
  logarithmic.checked = isWide();
  const tools = made("div", { className: "tools" }, made("label", {}, "Show ", quantity),
    made("label", {}, logarithmic, " logarithmic"), whole);
  place.append(tools, frame, readout, legend);
  place.closest(".scripted").hidden = false;
  document.querySelector("nav .scripted").hidden = false;
  draw();
  new ResizeObserver(() => {
    const width = Math.max(280, frame.clientWidth);
    if (plot.width !== width) plot.setSize({ width, height: HEIGHT });
  }).observe(frame);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
