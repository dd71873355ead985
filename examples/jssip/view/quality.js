// How a call sounds: the score in a word, its course over two minutes, and the figures behind it.

import { el, say } from "./dom.js";
import { KEPT, rating } from "../quality.js";

const [WIDTH, HEIGHT] = [320, 56];
const SVG = "http://www.w3.org/2000/svg";

const FIGURES = [
  ["loss", "Lost", "%", (sample) => (sample.loss === null ? null : 100 * sample.loss), 1],
  ["jitter", "Jitter", "ms", (sample) => sample.jitterMs, 0],
  ["rtt", "Round trip", "ms", (sample) => sample.rttMs, 0],
  ["in", "Received", "kbit/s", (sample) => sum(sample.inKbps, sample.videoInKbps), 0],
  ["out", "Sent", "kbit/s", (sample) => sum(sample.outKbps, sample.videoOutKbps), 0],
];

function sum(first, second) {
  return first === null && second === null ? null : (first ?? 0) + (second ?? 0);
}

/** Build the meter in `place`; returns what to call with the Meter. */
export function qualityView(place) {
  const score = el("strong", { dataset: { testid: "mos" } }, "–");
  const word = el("span", { className: "word", dataset: { testid: "rating" } }, "measuring");
  const codec = el("span", { className: "codec", dataset: { testid: "codec" } });
  const picture = draw();
  const values = FIGURES.map(([name]) => el("dd", { dataset: { testid: `quality-${name}` } }, "–"));
  place.append(
    el(
      "div",
      { className: "score" },
      el("span", { className: "bars", ariaHidden: "true" }, ...Array.from({ length: 4 }, () => el("i"))),
      word,
      el("span", { className: "soft" }, "MOS ", score),
      codec,
    ),
    picture.svg,
    el("dl", {}, ...FIGURES.flatMap(([, label], index) => [el("div", {}, el("dt", {}, label), values[index])])),
  );
  return (meter) => {
    const sample = meter.latest;
    if (!sample) return;
    place.dataset.rating = rating(sample.mos);
    say(score, sample.mos === null ? "–" : sample.mos.toFixed(1));
    say(word, sample.mos === null ? "no sound yet" : rating(sample.mos));
    say(codec, [sample.codec, sample.frame].filter(Boolean).join(" · "));
    FIGURES.forEach(([, , unit, value, digits], index) => {
      const found = value(sample);
      say(values[index], found === null || found === undefined ? "–" : `${found.toFixed(digits)} ${unit}`);
    });
    picture.update(meter.samples);
  };
}

// The score as a line from 1 to 4.5 over the last two minutes, and loss as bars from below.
function draw() {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.dataset.testid = "quality-history";
  const path = (name) => {
    const made = document.createElementNS(SVG, "path");
    made.setAttribute("class", name);
    svg.append(made);
    return made;
  };
  const [grid, loss, area, course] = ["grid", "loss", "area", "course"].map(path);
  const y = (mos) => HEIGHT - 3 - ((mos - 1) / 3.5) * (HEIGHT - 6);
  grid.setAttribute("d", [4, 3, 2].map((mos) => `M0 ${y(mos)}H${WIDTH}`).join(""));
  const x = (index, count) => WIDTH - ((count - 1 - index) * WIDTH) / (KEPT - 1);
  return {
    svg,
    update(samples) {
      const count = samples.length;
      const points = samples.map((sample, index) => (sample.mos === null ? null : [x(index, count).toFixed(1), y(sample.mos).toFixed(1)]));
      let drawn = "";
      points.forEach((point, index) => point && (drawn += `${points[index - 1] ? "L" : "M"}${point.join(" ")}`));
      course.setAttribute("d", drawn);
      const known = points.filter(Boolean);
      area.setAttribute(
        "d",
        known.length > 1
          ? `M${known[0][0]} ${HEIGHT}L${known.map((point) => point.join(" ")).join("L")}L${known.at(-1)[0]} ${HEIGHT}Z`
          : "",
      );
      loss.setAttribute(
        "d",
        samples
          .map((sample, index) =>
            sample.loss ? `M${x(index, count).toFixed(1)} ${HEIGHT}v${-Math.min(HEIGHT, 2 + sample.loss * 4 * HEIGHT).toFixed(1)}` : "",
          )
          .join(""),
      );
      const scores = samples.map((sample) => sample.mos).filter((mos) => mos !== null);
      const least = scores.length ? Math.min(...scores).toFixed(1) : "";
      svg.setAttribute(
        "aria-label",
        least ? `Quality over the last ${count} seconds: lowest score ${least}` : "Quality: nothing measured yet",
      );
    },
  };
}
