// One image over another with a slider between them, of any two arms, cut out of the page's pictures.
"use strict";
(() => {
  const source = document.getElementById("slider-data");
  const place = document.getElementById("slider-drawn");
  if (!source || !place) return;
  const pictures = JSON.parse(source.textContent);
  const images = new Map();
  for (const image of document.querySelectorAll("img[data-path]")) {
    images.set(image.dataset.path, image);
  }
  const SHIFT = 5;

  const made = (tag, facts = {}, ...inside) => {
    const element = Object.assign(document.createElement(tag), facts);
    element.append(...inside);
    return element;
  };
  const names = [...new Set(pictures.flatMap((one) => one.panels.map(([name]) => name)))];
  const panel = made("select");
  names.forEach((name) => panel.append(made("option", { value: name }, name)));
  const choices = () => pictures.flatMap((picture) =>
    picture.panels.filter(([name]) => name === panel.value).flatMap(([, sides]) =>
      sides.map(([side, box]) => ({ picture, side, box }))));
  const [left, right] = [made("select"), made("select")];
  const [under, over] = [made("canvas"), made("canvas")];
  const edge = made("div", { className: "edge" });
  const frame = made("div", { className: "slider" }, under, over, edge);
  frame.setAttribute("role", "img");
  const range = made("input", { type: "range", min: 0, max: 100, value: 50, step: 1 });
  range.setAttribute("aria-label", "How much of the left image is shown, in percent");

  const paint = async (canvas, { picture, box }) => {
    const image = images.get(picture.path);
    if (!image) return;
    await image.decode();
    const [x, y, width, height] = box;
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(image, x, y, width, height, 0, 0, width, height);
  };
  const words = ({ picture, side }) => `${picture.arm}, ${side}`;

  const slide = () => {
    const part = Number(range.value);
    over.style.clipPath = `inset(0 ${100 - part}% 0 0)`;
    edge.style.left = `${part}%`;
  };
  const show = async () => {
    const all = choices();
    const [one, other] = [all[left.value], all[right.value]];
    if (!one || !other) return;
    frame.setAttribute("aria-label", `${panel.value}: ${words(one)}, beside ${words(other)}`);
    await Promise.all([paint(over, one), paint(under, other)]);
    place.dataset.drawn = `${words(one)} | ${words(other)}`;
  };
  const list = () => {
    for (const [select, first] of [[left, 0], [right, 1]]) {
      const before = select.value || String(first);
      const options = choices().map((one, n) => made("option", { value: n }, words(one)));
      select.replaceChildren(...options);
      select.value = Number(before) < options.length ? before : String(first);
    }
    show();
  };

  const point = (event) => {
    const box = frame.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    slide();
  };
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    point(event);
  });
  frame.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  range.addEventListener("input", slide);
  range.addEventListener("keydown", (event) => {
    const step = { PageUp: SHIFT, PageDown: -SHIFT }[event.key];
    if (!step) return;
    event.preventDefault();
    range.value = Number(range.value) + step;
    slide();
  });
  panel.addEventListener("change", list);
  left.addEventListener("change", show);
  right.addEventListener("change", show);
  place.append(
    made("div", { className: "tools" }, made("label", {}, "Show ", panel),
      made("label", {}, "left ", left), made("label", {}, "right ", right)),
    range, frame);
  place.closest(".scripted").hidden = false;
  slide();
  list();
})();
