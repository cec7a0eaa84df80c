const form = document.getElementById("filters");
const deck = Array.from(document.querySelectorAll(".card"));
const value = (id) => document.getElementById(id).value;
const number = (text) => (text === "" ? -Infinity : Number(text));

function fits(card) {
  const { words, family, verdicts, needs, year, cost } = card.dataset;
  const wanted = value("query").toLowerCase().split(/\s+/).filter(Boolean);
  const need = value("needs");
  const limit = value("cost");
  return (
    wanted.every((word) => words.includes(word)) &&
    (!value("family") || family === value("family")) &&
    (!value("verdict") || verdicts.split("|").includes(value("verdict"))) &&
    (!need || (need[0] === "-" ? !needs.split("|").includes(need.slice(1)) : needs.split("|").includes(need))) &&
    (!value("year") || Number(year) >= Number(value("year"))) &&
    (!limit || (cost !== "" && Number(cost) <= Number(limit)))
  );
}

function update() {
  const order = value("order");
  let shown = 0;
  for (const card of deck) {
    card.hidden = !fits(card);
    shown += card.hidden ? 0 : 1;
  }
  const sorted = deck.slice();
  if (order === "title") sorted.sort((a, b) => a.dataset.title.localeCompare(b.dataset.title));
  else if (order) sorted.sort((a, b) => number(b.dataset[order]) - number(a.dataset[order]) || 0);
  document.getElementById("cards").append(...sorted);
  document.getElementById("count").textContent = `${shown} of ${deck.length}`;
  document.getElementById("none").hidden = shown > 0;
}

form.addEventListener("input", update);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(update));
document.getElementById("clear").addEventListener("click", () => form.reset());
update();
