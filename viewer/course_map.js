// The map of the course: made in Python, escaped there. Here: a click opens without a new page, and what a lecture
// needs lights up while it is pointed at or has the focus.

const drawn = new WeakMap();

function closure(root, at) {
  const found = new Set([at]);
  const lines = [...root.querySelectorAll('.wide path')];
  for (let grew = true; grew;) {
    grew = false;
    for (const { dataset } of lines) {
      if (found.has(dataset.to) && !found.has(dataset.from)) { found.add(dataset.from); grew = true; }
    }
  }
  return found;
}

function light(root, at) {
  const needed = at ? closure(root, at) : new Set();
  root.classList.toggle('lit', needed.size > 1);
  for (const path of root.querySelectorAll('path[data-to]')) path.classList.toggle('on', needed.has(path.dataset.to));
  for (const node of root.querySelectorAll('li')) node.classList.toggle('on', needed.has(node.dataset.at));
}

export default function ({ data, parentElement: parent, setTriggerValue }) {
  let root = drawn.get(parent);
  if (!root) {
    root = document.createElement('div');
    drawn.set(parent, root);
    parent.append(root);
    root.addEventListener('click', (event) => {
      const link = event.target.closest('[data-open]');
      if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      root.trigger('open', link.dataset.open);
    });
    const at = (event) => event.target.closest?.('li')?.dataset.at;
    for (const kind of ['pointerover', 'focusin']) root.addEventListener(kind, (event) => light(root, at(event)));
    for (const kind of ['pointerleave', 'focusout']) root.addEventListener(kind, () => light(root, null));
  }
  root.trigger = setTriggerValue;
  if (root.markup !== data.markup) {
    root.markup = data.markup;
    root.innerHTML = data.markup;
  }
  return () => { root.remove(); drawn.delete(parent); };
}
