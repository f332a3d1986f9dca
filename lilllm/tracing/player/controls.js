// Buttons, keys, the progress bar with its sections, and the help that lists the keys.

import { count, el } from './element.js';

const ICONS = {
  first: 'M5 4v16M19 5l-10 7 10 7z',
  previousSection: 'M19 5l-7 7 7 7M11 5l-7 7 7 7',
  back: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
  over: 'M4 14a8 7 0 0 1 15-3M20 5v6h-6M12 19h.01',
  out: 'M12 20V6M6 11l6-6 6 6',
  nextSection: 'M5 5l7 7-7 7M13 5l7 7-7 7',
  last: 'M19 4v16M5 5l10 7-10 7z',
  help: 'M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 18h.01',
};

// name, label on the button (or none), what it does, keys
const COMMANDS = [
  ['first', '', 'First step', ['Home', 'g']],
  ['previousSection', '', 'Previous section', ['[', 'PageUp']],
  ['back', 'Back', 'Back one step', ['ArrowLeft', 'h']],
  ['next', 'Next', 'Next step', ['ArrowRight', 'l']],
  ['over', 'Over', 'Over: run calls without showing them', ['ArrowDown', 'j']],
  ['out', 'Out', 'Out of the function, or of the cell', ['u', 'o']],
  ['nextSection', '', 'Next section', [']', 'PageDown']],
  ['last', '', 'Last step', ['End', 'G']],
];
const UNSEEN = [
  ['overBack', '', 'Back over calls', ['ArrowUp', 'k']],
  ['until', '', 'Run until an expression is true (Shift+Enter: backwards)', ['b']],
  ['watch', '', 'Watch an expression', ['w']],
];
const HELP = ['next', 'back', 'over', 'overBack', 'out', 'nextSection', 'previousSection', 'first', 'last', 'until', 'watch'];
const KEY_NAMES = { ArrowLeft: '←', ArrowRight: '→', ArrowDown: '↓', ArrowUp: '↑', PageUp: 'PgUp', PageDown: 'PgDn' };
const keyName = (key) => KEY_NAMES[key] ?? key;

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

export class Controls {
  constructor(context, { run, go }) {
    this.context = context;
    const { paths, replay } = context;
    this.buttons = Object.fromEntries(COMMANDS.map(([name, label, title, keys]) => [name, el('button', {
      type: 'button', class: label ? 'labelled' : '', title: `${title} (${keys.map(keyName).join(' or ')})`, 'aria-label': title, onclick: () => run(name),
    }, icon(name), label ? el('span', {}, label) : null)]));
    this.input = el('input', { type: 'text', inputmode: 'numeric', 'aria-label': `step, 1 to ${replay.size}`, size: String(replay.size).length + 1,
      onchange: () => {
        const wanted = Number(this.input.value.replaceAll(',', ''));
        if (Number.isInteger(wanted)) go(wanted - 1);
        else this.update(context.at());
      } });
    this.keys = new Map([...COMMANDS, ...UNSEEN].flatMap(([name, , , keys]) => keys.map((key) => [key, name])));
    this.sentence = el('p', { class: 'sentence' });
    this.live = el('p', { class: 'live', role: 'status', 'aria-live': 'polite' });
    this.menu = el('select', { class: 'sections', 'aria-label': 'section', onchange: () => go(Number(this.menu.value)) },
      ...paths.sections.map((s) => el('option', { value: s.step }, `${'\u2003'.repeat(Math.max(0, s.level - 1))}${s.title}`)));
    this.menu.hidden = paths.sections.length < 2;
    this.help = this.helpDialog();
    const helpButton = el('button', { type: 'button', title: 'Keys (?)', 'aria-label': 'show the keys', onclick: () => this.showHelp() }, icon('help'));
    this.bar = el('div', { class: 'buttons', role: 'toolbar', 'aria-label': 'stepping' }, ...Object.values(this.buttons), helpButton);
    this.progress = this.progressBar(go);
    this.node = el('header', { class: 'controls' }, this.progress,
      el('div', { class: 'deck' }, this.bar, el('label', { class: 'counter' }, el('span', {}, 'Step'), this.input, el('span', {}, `of ${count(replay.size)}`)), this.menu),
      this.sentence, this.live);
  }

  progressBar(go) {
    const { paths, replay } = this.context;
    const starts = paths.sections.map((section) => section.step);
    if (starts[0] !== 0) starts.unshift(0);
    this.segments = starts.map((from, i) => {
      const to = starts[i + 1] ?? replay.size;
      const fill = el('span', { class: 'fill' });
      const title = paths.sections.find((section) => section.step === from)?.title ?? this.context.data.title;
      const node = el('span', { class: 'segment', title, onclick: (event) => {
        const box = node.getBoundingClientRect();
        go(from + Math.floor(((event.clientX - box.left) / box.width) * (to - from)));
      } }, fill);
      // Half by length, half alike: a short section stays large enough to be hit.
      node.style.flexGrow = String((to - from) / replay.size + 1 / starts.length);
      return { from, to, fill, node };
    });
    const bar = el('div', { class: 'progress', role: 'slider', tabindex: 0, 'aria-label': 'progress', 'aria-valuemin': 1, 'aria-valuemax': replay.size },
      ...this.segments.map((segment) => segment.node));
    bar.addEventListener('pointermove', (event) => {
      if (event.buttons === 1) event.target.closest?.('.segment')?.click && this.drag(event, go);
    });
    return bar;
  }

  drag(event, go) {
    for (const { from, to, node } of this.segments) {
      const box = node.getBoundingClientRect();
      if (event.clientX >= box.left && event.clientX <= box.right) go(from + Math.floor(((event.clientX - box.left) / box.width) * (to - from)));
    }
  }

  helpDialog() {
    const byName = Object.fromEntries([...COMMANDS, ...UNSEEN].map((command) => [command[0], command]));
    const rows = [...HELP.map((name) => byName[name]), ['', '', 'Next run of a line', ['click']],
      ['', '', 'The run before', ['shift-click']], ['', '', 'These keys', ['?']]];
    const table = el('table', {}, el('tbody', {}, ...rows.map(([, , title, keys]) => el('tr', {},
      el('td', {}, ...keys.flatMap((key, i) => [i ? ' ' : '', el('kbd', {}, keyName(key))])), el('td', {}, title)))));
    const dialog = el('dialog', { class: 'help', 'aria-label': 'keys' }, el('h2', {}, 'Keys'), table,
      el('button', { type: 'button', onclick: () => dialog.close() }, 'Close'));
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    return dialog;
  }

  showHelp() {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }

  // The command of a key event, or nothing: typed text and the browser's own combinations are not ours.
  commandOf(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.help.open) return undefined;
    const target = event.composedPath()[0];
    if (target?.matches?.('input[type=text], textarea, select, input[type=range], [contenteditable]')) return undefined;
    return event.key === '?' ? 'help' : this.keys.get(event.key);
  }

  update(at, sentence = this.sentence.textContent, tone = '') {
    const { paths, replay } = this.context;
    this.input.value = count(at + 1);
    this.sentence.textContent = sentence;
    this.sentence.className = `sentence ${tone}`;
    clearTimeout(this.saying); // spoken once the reader rests, not at each of thirty steps a second
    this.saying = setTimeout(() => { this.live.textContent = `Step ${at + 1} of ${replay.size}. ${sentence}`; }, 350);
    for (const { from, to, fill, node } of this.segments) {
      const part = Math.max(0, Math.min(1, (at + 1 - from) / Math.max(1, to - from)));
      fill.style.transform = `scaleX(${part})`;
      node.classList.toggle('here', at >= from && at < to);
    }
    const section = paths.section(at);
    this.progress.setAttribute('aria-valuenow', at + 1);
    this.progress.setAttribute('aria-valuetext', `step ${at + 1} of ${replay.size}${section ? `, ${section.title}` : ''}`);
    if (section && !this.menu.hidden) this.menu.value = String(section.step);
    for (const name of ['first', 'back', 'previousSection']) this.buttons[name].disabled = at <= 0;
    for (const name of ['next', 'over', 'out', 'nextSection', 'last']) this.buttons[name].disabled = at >= replay.size - 1;
  }
}
