// The live figures of one leg, drawn: a rolling minute of packets, loss, jitter and level.

const SECONDS = 60;
const [WIDTH, HEIGHT] = [300, 48];

const number = (value, digits = 0) => (value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits));

const CHARTS = [
  { key: "packets", name: "Packets a second", unit: "/s", digits: 0, least: 60 },
  { key: "loss", name: "Loss", unit: "%", digits: 1, least: 5 },
  { key: "jitter", name: "Jitter", unit: "ms", digits: 1, least: 10 },
  { key: "level", name: "Level", unit: "dBov", digits: 0, bottom: -80, top: 0 },
];

export class LegFigures {
  #history = []; #before; #parts = {};

  constructor(element, title, from, to) {
    element.innerHTML = `
      <header><h2>${title}</h2><span class="legend"><i></i>${from}<i class="out"></i>${to}</span></header>
      ${CHARTS.map((chart) => `
        <div class="chart" data-testid="${element.id}-${chart.key}">
          <div><span class="name">${chart.name}</span><span class="value">–</span></div>
          <figure><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${chart.name}, the last minute">
            <path class="grid" d="M0 0.5H${WIDTH}M0 ${HEIGHT - 0.5}H${WIDTH}"/><path class="area"/><path class="in"/><path class="out"/></svg>
            <figcaption></figcaption></figure>
        </div>`).join("")}
      <dl class="totals">
        ${[["received", "Packets in"], ["sent", "Packets out"], ["lost", "Lost in"], ["trip", "Round trip"], ["mos", "MOS in"], ["codec", "Codec"]]
          .map(([key, name]) => `<div><dt>${name}</dt><dd data-testid="${element.id}-${key}" data-key="${key}">–</dd></div>`).join("")}
      </dl>`;
    element.querySelectorAll(".chart").forEach((chart, index) => {
      this.#parts[CHARTS[index].key] = {
        name: chart.querySelector(".name"), value: chart.querySelector(".value"), scale: chart.querySelector("figcaption"),
        area: chart.querySelector(".area"), in: chart.querySelector(".in"), out: chart.querySelector(".out"),
      };
    });
    this.totals = Object.fromEntries([...element.querySelectorAll("[data-key]")].map((part) => [part.dataset.key, part]));
  }

  /** Begin anew for another call. */
  clear() {
    this.#history = [];
    this.#before = undefined;
    Object.values(this.totals).forEach((part) => { part.textContent = "–"; });
    this.#draw();
  }

  /** Take one reading: a stream of the gateway's statistics, at `seconds`. Returns packets a second {in, out}. */
  add(stream, seconds) {
    const { received = {}, sent = {} } = stream;
    const now = { seconds, in: received.packets ?? 0, out: sent.packets ?? 0, lost: received.lost ?? 0, far: sent.lost ?? null };
    const before = this.#before ?? now;
    this.#before = now;
    const passed = now.seconds - before.seconds;
    const rate = (key) => (passed > 0 ? Math.max(0, now[key] - before[key]) / passed : null);
    const share = (lost, arrived) => (passed > 0 && lost + arrived > 0 ? (100 * lost) / (lost + arrived) : passed > 0 ? 0 : null);
    const point = {
      packets: [rate("in"), rate("out")],
      loss: [share(Math.max(0, now.lost - before.lost), now.in - before.in), typeof sent.loss === "number" ? 100 * sent.loss : null],
      jitter: [received.packets ? received.jitter_ms : null, sent.jitter_ms ?? null],
      level: [received.level_dbov ?? null, sent.level_dbov ?? null],
    };
    this.#history.push(point);
    this.#history.splice(0, this.#history.length - SECONDS);
    this.totals.received.textContent = number(now.in);
    this.totals.sent.textContent = number(now.out);
    this.totals.lost.textContent = number(now.lost);
    this.totals.trip.textContent = stream.round_trip_ms == null ? "–" : `${number(stream.round_trip_ms, 1)} ms`;
    this.totals.mos.textContent = number(received.mos, 2);
    this.totals.codec.textContent = stream.codec ?? "–";
    this.#draw();
    return { in: point.packets[0] ?? 0, out: point.packets[1] ?? 0 };
  }

  #draw() {
    for (const chart of CHARTS) {
      const parts = this.#parts[chart.key];
      const points = this.#history.map((point) => point[chart.key]);
      const [here, there] = points.at(-1) ?? [null, null];
      const second = there === null ? "" : ` · ${number(there, chart.digits)}`;
      parts.name.textContent = chart.key === "level" && there !== null && here === null ? "Level (out; in: not decoded)" : chart.name;
      parts.value.innerHTML = `${number(here, chart.digits)}${second} <small>${chart.unit}</small>`;
      const bottom = chart.bottom ?? 0;
      const top = chart.top ?? nice(Math.max(chart.least, ...points.flat().filter((value) => value !== null)));
      parts.scale.innerHTML = `<span>${top} ${chart.unit}</span><span>${bottom}</span>`;
      const line = (index) => path(points.map((pair) => pair[index]), bottom, top);
      parts.in.setAttribute("d", line(0));
      parts.out.setAttribute("d", line(1));
      parts.area.setAttribute("d", area(points.map((pair) => pair[0]), bottom, top));
    }
  }
}

function nice(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * step).find((limit) => limit >= value);
}

function* places(values, bottom, top) {
  for (const [index, value] of values.entries()) {
    if (value === null || value === undefined) yield null;
    else {
      const x = WIDTH - ((values.length - 1 - index) * WIDTH) / (SECONDS - 1);
      const y = HEIGHT - 1 - ((Math.min(top, Math.max(bottom, value)) - bottom) / (top - bottom)) * (HEIGHT - 2);
      yield [x.toFixed(1), y.toFixed(1)];
    }
  }
}

function path(values, bottom, top) {
  let pen = "M";
  let text = "";
  for (const place of places(values, bottom, top)) {
    if (place) text += `${pen}${place.join(" ")}`;
    pen = place ? "L" : "M";
  }
  return text;
}

function area(values, bottom, top) {
  const known = [...places(values, bottom, top)].filter(Boolean);
  return known.length < 2 ? "" : `M${known[0][0]} ${HEIGHT}L${known.map((place) => place.join(" ")).join("L")}L${known.at(-1)[0]} ${HEIGHT}Z`;
}
