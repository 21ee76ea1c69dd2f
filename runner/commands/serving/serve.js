"use strict";
// Shows how far the runs are: whatever comes from a run is put in as text, never as markup.
const place = document.getElementById("runs");
let known = null;

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function curve(numbers) {
  const space = "http://www.w3.org/2000/svg";
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const points = numbers.map((value, index) => {
    const x = (100 * index) / (numbers.length - 1);
    const y = high > low ? 18 - (16 * (value - low)) / (high - low) : 10;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  const drawn = document.createElementNS(space, "svg");
  for (const [key, value] of Object.entries({ width: 100, height: 20, viewBox: "0 0 100 20", "aria-hidden": "true" })) drawn.setAttribute(key, value);
  const line = document.createElementNS(space, "polyline");
  line.setAttribute("points", points.join(" "));
  drawn.append(line);
  return drawn;
}

function arm(one) {
  const item = element("li", `${one.name}: ${one.doing} `);
  if (one.part !== null) {
    const bar = element("progress");
    bar.max = 1;
    bar.value = one.part;
    item.append(bar, ` ${Math.round(100 * one.part)} % `);
  }
  item.append(`${one.values} ${one.pace} `);
  if (one.curve.length > 1) item.append(curve(one.curve));
  return item;
}

function run(one) {
  const section = element("section");
  section.append(element("h2", one.name));
  if (one.problem) {
    section.append(element("p", one.problem, "bad"));
    return section;
  }
  const line = element("p", `${one.ended} of ${one.arms} arms ended, ${one.running} under way`);
  if (one.failed) line.append(", ", element("span", `${one.failed} failed`, "bad"));
  if (!one.alive) line.append("; ", element("span", "no process executes it: phasehub resume", "bad"));
  const list = element("ul");
  list.append(...one.under_way.map(arm));
  section.append(line, list);
  return section;
}

async function look() {
  if (!document.hidden) {
    try {
      const answer = await fetch("/api/runs");
      if (answer.ok) {
        const runs = await answer.json();
        place.replaceChildren(...(runs.length ? runs.map(run) : [element("p", "None.", "quiet")]));
        const names = runs.map((one) => one.name);
        if (known && known.some((name) => !names.includes(name))) {
          const link = element("a", "A run has ended: show its hub");
          link.href = window.location.pathname + window.location.search;
          place.append(link);
        } else known = names;
      }
    } catch {
      place.replaceChildren(element("p", "phasehub serve does not answer any more.", "bad"));
    }
  }
  window.setTimeout(look, 2000);
}

look();
