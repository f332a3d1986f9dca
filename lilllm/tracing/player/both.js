// The values of both sides, name by name, in two columns: those that differ first, with a sign and not by colour alone.

import { isDefinition } from './document.js';
import { el } from './element.js';
import { frameName } from './panel.js';
import { summary } from './summary.js';
import { body, hasBody } from './values.js';
import { BOTH, LEFT } from './together.js';

const VERDICTS = [['differ', 'Different'], ['equal', 'Equal'], ['one', 'On one side only'], ['waiting', 'Not compared: one side waits']];

// A value in words: a number in full, since what differs may do so in its last digits.
export function wordOf(replay, id, limit) {
  const v = replay.value(id);
  if (v.type === 'text' && replay.op[replay.at] === 'x' && replay.arg[replay.at] === id) return `${v.kind}: ${v.text}`.slice(0, limit);
  return v.type === 'tensor' && !v.shape.length && v.data?.length ? String(v.data[0]) : summary(replay, id, limit);
}

// Of two tensors of one shape, all of whose elements are known: by how much they are apart, and where.
function apart(one, other) {
  if (one?.type !== 'tensor' || other?.type !== 'tensor' || !one.data?.length || String(one.shape) !== String(other.shape)) return null;
  let [most, place] = [0, -1];
  one.data.forEach((x, i) => {
    const by = x === other.data[i] ? 0 : Math.abs(x - other.data[i]);
    if (!(by <= most)) [most, place] = [Number.isNaN(by) ? Infinity : by, i];
  });
  if (place < 0) return null;
  const index = [];
  for (let rest = place, axis = one.shape.length - 1; axis >= 0; axis--) {
    index.unshift(rest % one.shape[axis]);
    rest = Math.floor(rest / one.shape[axis]);
  }
  const at = index.length ? ` at [${index.join(', ')}]` : '';
  return `furthest apart${at}: ${one.data[place]} and ${other.data[place]}`;
}

export class Both {
  constructor(context, sides, data, verdict) {
    this.context = context;
    this.sides = sides;
    this.contents = data.contents;
    this.close = new Set(data.close.map(String));
    this.byHand = new Map(); // name -> opened or closed by the reader
    this.heading = el('h2', {}, 'Values');
    this.groups = new Map(VERDICTS.map(([key, title]) => {
      const rows = el('div', { class: 'rows', role: 'rowgroup', 'aria-label': title });
      return [key, { rows, node: el('div', { class: `group ${key}`, role: 'presentation', hidden: true }, el('h3', { role: 'presentation' }, title), rows) }];
    }));
    const head = (text, css) => el('span', { role: 'columnheader', class: css }, text);
    this.table = el('div', { class: 'table', role: 'table', 'aria-label': 'values of both' },
      el('div', { class: 'columns', role: 'row' }, el('span', { role: 'columnheader', title: 'differs' }, '≠'), head('Name', 'name'), head('Left', 'left'), head('Right', 'right')),
      ...[...this.groups.values()].map((group) => group.node));
    this.empty = el('p', { class: 'none' }, 'No values yet.');
    this.node = el('section', { class: 'both', 'aria-label': 'values of both', tabindex: 0 }, el('div', { class: 'panel-head' }, this.heading, el('p', { class: 'verdict' }, verdict)), this.table, this.empty);
  }

  // Numbers of values, undefined where a side has none.
  same(left, right) {
    const contents = [this.contents[0][left], this.contents[1][right]];
    return contents[0] === contents[1] || this.close.has(String(contents));
  }

  // name -> [left, right], of the frames on top; the other's is left out while it waits in another frame.
  names(who) {
    const found = new Map();
    this.sides.forEach(({ state, context: { replay } }, i) => {
      if (!state?.frame) return;
      const { depth, at } = replay;
      const moving = this.sides[who === LEFT ? 0 : 1].context.replay;
      if (who !== BOTH && depth[at] !== moving.depth[moving.at]) return;
      const put = (name, value) => { if (!found.has(name)) found.set(name, []); found.get(name)[i] = value; };
      if (state.said.event) put(state.said.event.tone === 'error' ? 'raises' : state.said.event.label, state.said.event.value);
      for (const [name, value] of state.frame.vars) put(replay.data.steps.names[name], value);
    });
    return found;
  }

  update({ who, difference }) {
    const rows = new Map(VERDICTS.map(([key]) => [key, []]));
    const fresh = new Set(difference ? [...difference.names, difference.event] : []);
    for (const [name, values] of this.names(who)) {
      const shown = values.map((value, i) => (value === undefined ? undefined : this.sides[i].context.replay.value(value)));
      if (shown.every((v) => v === undefined || isDefinition(v))) continue;
      const both = values[0] !== undefined && values[1] !== undefined;
      const group = who !== BOTH ? 'waiting' : !both ? 'one' : this.same(...values) ? 'equal' : 'differ';
      rows.get(group).push([name, values, shown, fresh.has(name)]);
    }
    rows.get('differ').sort((a, b) => b[3] - a[3]);
    if (!this.context.settings.get('equal')) rows.get('equal').length = 0;
    for (const [key, list] of rows) {
      const group = this.groups.get(key);
      group.node.hidden = !list.length;
      group.rows.replaceChildren(...list.map((row) => this.row(key, ...row)));
    }
    const any = [...rows.values()].some((list) => list.length);
    this.table.hidden = !any;
    this.empty.hidden = any;
    const frames = this.sides.map(({ state, context: { replay } }) => (state?.frame ? frameName(replay, state.frame) : 'top level'));
    this.heading.textContent = `Values in ${frames[0]}${frames[0] === frames[1] ? '' : ` and ${frames[1]}`}`;
  }

  row(group, name, values, shown, fresh) {
    const contexts = this.sides.map(({ context }) => context);
    const cell = (i) => el('span', { class: `one ${i ? 'right' : 'left'}`, role: 'cell' }, shown[i] ? wordOf(contexts[i].replay, values[i], 90) : '–');
    const line = [el('span', { class: 'sign', role: 'cell', 'aria-label': group === 'differ' ? 'differs' : null }, group === 'differ' ? '≠' : ''),
      el('span', { class: 'name', role: 'rowheader' }, name), cell(0), cell(1)];
    const full = [0, 1].filter((i) => shown[i] && hasBody(contexts[i], values[i]));
    const css = `row ${group}${fresh ? ' fresh' : ''}`;
    if (!full.length) return el('div', { class: css, role: 'row' }, ...line);
    // What a line tells in full needs no more; a number in a tensor may differ in digits that it leaves out.
    const open = this.byHand.get(name) ?? (group === 'differ' && full.some((i) => shown[i].type === 'tensor' || line[2 + i].textContent.includes('…')));
    const node = el('details', { class: css, open }, el('summary', { role: 'row' }, ...line));
    const fill = () => {
      const note = group === 'differ' ? apart(...shown) : null;
      const half = (i) => el('div', { class: 'half' }, full.includes(i) ? body(contexts[i], values[i]) : null);
      if (node.childElementCount === 1) node.append(el('div', { class: 'body' }, note ? el('p', { class: 'apart' }, note) : null, half(0), half(1)));
    };
    if (open) fill();
    node.firstChild.addEventListener('click', () => { // the reader's wish outlives the step
      this.byHand.set(name, !node.open);
      fill();
    });
    return node;
  }
}
