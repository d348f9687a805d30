// Buttons that copy a text: `<button data-copy="…">`, one listener for the whole page.

const SHOWN_MS = 1500;

/** Copies on click and calls `say` with what has been copied, for those who do not see it. */
export function offerCopies(root, say) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const done = await copyText(button.dataset.copy);
    button.dataset.copied = done ? "yes" : "no";
    say(done ? `Copied: ${button.dataset.copy}` : "This browser does not let pages copy.");
    setTimeout(() => delete button.dataset.copied, SHOWN_MS);
  });
}

/** The clipboard is for pages by HTTPS or of this machine; elsewhere the old way has to do. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.setAttribute("readonly", "");
    area.className = "unseen";
    const focused = document.activeElement;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return done;
  }
}
