// What somebody stumbles over who does not see a page, or has a thumb to use it with.
(isTouched) => {
  const poor = [];
  const words = (elements) => [...elements].map((one) => one?.textContent ?? "").join(" ");
  const named = (e) => (e.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id));
  const nameOf = (e) => [e.getAttribute("aria-label") ?? "", words(named(e)), words(e.labels ?? []), e.textContent].join("").trim();
  const say = (what, e) => poor.push(`${what}: ${e.outerHTML.slice(0, 120)}`);
  const seen = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility({ visibilityProperty: true }));
  for (const e of seen("a, button, input, select, summary, video, svg, dialog, [tabindex='0']")) if (!nameOf(e)) say("no name", e);
  for (const e of document.images) if (!e.hasAttribute("alt")) say("no alternative", e);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) poor.push(`twice: ${id}`);
  let level = 0;
  for (const e of seen("h1, h2, h3, h4")) {
    if (e.tagName[1] - level > 1) say("a level left out", e);
    level = Number(e.tagName[1]);
  }
  if (seen("h1").length !== 1) poor.push("not one h1");
  if (seen("main").length !== 1) poor.push("not one main");
  if (!document.documentElement.lang) poor.push("no language");
  // WCAG 2.2 2.5.8 wants 24; a thumb wants more. Links within a line of text are left alone.
  const least = isTouched ? 40 : 24;
  for (const e of seen("button, input:not([type=checkbox]), select, a.button")) {
    const { width, height } = e.getBoundingClientRect();
    if (Math.min(width, height) < least) say(`${width} x ${height}`, e);
  }
  return poor;
}
