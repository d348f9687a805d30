// Addresses with a copy button each.

/** Fills `list` with [{ id, label, value }]; what is there already keeps its focus. */
export function showAddresses(list, addresses) {
  const key = JSON.stringify(addresses);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...addresses.map(addressItem));
}

function addressItem({ id, label, value }) {
  const item = document.getElementById("address").content.firstElementChild.cloneNode(true);
  item.dataset.id = id;
  item.querySelector(".what").textContent = label;
  item.querySelector(".value").textContent = value;
  const button = item.querySelector(".copy");
  button.dataset.copy = value;
  button.setAttribute("aria-label", `Copy ${label}`);
  return item;
}
