// Both descriptions of one half of an exchange, side by side; the gateway says which lines became what, and why.

const WORDS = ["kept", "changed", "removed", "added"];

export class Translation {
  #halves = {}; #half = "offer"; #asked = 0;

  constructor(page) {
    this.page = page; // {rows, summary, before, after, tabs: {offer, answer}, hideKept}
    for (const half of ["offer", "answer"]) page.tabs[half].addEventListener("click", () => this.select(half));
    for (const tab of Object.values(page.tabs)) {
      tab.addEventListener("keydown", (event) => {
        if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
        this.select(this.#half === "offer" ? "answer" : "offer");
        page.tabs[this.#half].focus();
      });
    }
    page.hideKept.addEventListener("change", () => page.rows.classList.toggle("hide-kept", page.hideKept.checked));
  }

  /** Take an exchange {title, offer: [before, after], answer: [before, after], incoming}. */
  async show(exchange) {
    const asked = ++this.#asked;
    const [offer, answer] = await Promise.all(["offer", "answer"].map((half) => compare(exchange[half])));
    if (asked !== this.#asked) return;
    const [browser, plain] = ["This browser (WebRTC)", "Echo peer (plain RTP)"];
    const there = { titles: [browser, plain] };
    const back = { titles: [plain, browser] };
    this.#halves = {
      offer: { ...(exchange.incoming ? back : there), rows: offer, title: exchange.title },
      answer: { ...(exchange.incoming ? there : back), rows: answer, title: exchange.title },
    };
    this.select(this.#half);
  }

  select(half) {
    this.#half = half;
    for (const [name, tab] of Object.entries(this.page.tabs)) {
      tab.setAttribute("aria-selected", String(name === half));
      tab.tabIndex = name === half ? 0 : -1;
    }
    this.page.rows.setAttribute("aria-labelledby", this.page.tabs[half].id);
    const shown = this.#halves[half];
    if (shown) this.#render(shown);
  }

  #render({ rows, titles, title }) {
    const { page } = this;
    page.rows.replaceChildren(...rows.map(render));
    [page.before.textContent, page.after.textContent] = [`Received: ${titles[0]}`, `Sent on: ${titles[1]}`];
    const count = (word) => rows.filter((row) => row.change === word).length;
    page.summary.replaceChildren(`${titles[0]} to ${titles[1]}, ${title}: `, ...WORDS.flatMap((word, index) => {
      const mark = document.createElement("mark");
      mark.className = word;
      mark.style.background = "none";
      mark.style.color = word === "kept" ? "inherit" : "";
      mark.innerHTML = `<b data-testid="count-${word}">${count(word)}</b> ${word}`;
      return index ? [", ", mark] : [mark];
    }));
  }
}

async function compare([before, after]) {
  const response = await fetch("compare", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ before, after }),
  });
  if (!response.ok) throw new Error("The gateway could not compare the descriptions.");
  return (await response.json()).rows;
}

function render(row, index, rows) {
  const line = document.createElement("div");
  line.className = row.section !== rows[index - 1]?.section && index ? "row section" : "row";
  line.dataset.change = row.change;
  const [before, after, why] = [document.createElement("code"), document.createElement("code"), document.createElement("span")];
  before.textContent = row.before;
  after.textContent = row.after;
  after.className = "after";
  why.className = "why";
  why.textContent = row.reason;
  const spoken = document.createElement("span");
  spoken.className = "skip";
  spoken.textContent = row.change === "kept" ? "" : row.change;
  why.prepend(spoken);
  line.append(before, after, why);
  return line;
}
