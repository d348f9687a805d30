// Small line charts without axes: how a figure went, beside the figure itself.

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [120, 28];

/** The line through `values` (newest last) and the area below it, as SVG path data. */
export function sparkPaths(values, { width = WIDTH, height = HEIGHT, points = 60, top = 0 } = {}) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return { line: "", area: "" };
  const highest = top || Math.max(...known) * 1.15 || 1;
  const step = width / (points - 1);
  const first = width - step * (values.length - 1);
  const places = values.map((value, i) =>
    value === null ? null : `${round(first + i * step)} ${round(height - 1 - (Math.min(value, highest) / highest) * (height - 2))}`,
  );
  let line = "";
  places.forEach((place, i) => {
    if (place !== null) line += `${i && places[i - 1] !== null ? "L" : "M"}${place}`;
  });
  const area = places.includes(null) ? "" : `${line}L${width} ${height}L${round(first)} ${height}Z`;
  return { line, area };
}

/** A chart to be put on a page and kept up to date with `draw`. */
export class Sparkline {
  constructor(points = 60) {
    this.points = points;
    this.element = document.createElementNS(NS, "svg");
    this.element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("role", "img");
    this.element.setAttribute("class", "spark");
    [this.area, this.line] = ["area", "line"].map((name) => {
      const path = document.createElementNS(NS, "path");
      path.setAttribute("class", name);
      return this.element.appendChild(path);
    });
  }

  /** `words` is what those hear who do not see it; `top` the value at the upper edge. */
  draw(values, words, top = 0) {
    const { line, area } = sparkPaths(values, { points: this.points, top });
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
    this.element.setAttribute("aria-label", words);
  }
}

function round(number) {
  return Math.round(number * 10) / 10;
}
