// A tensor: what its numbers are like in a line, and where they are as a heatmap (values on hover; small ones as figures).

import { count, el } from './element.js';
import { number, shapeOf } from './summary.js';

// Both ramps keep their order for every kind of colour vision: cividis, and blue to orange through neutral.
const SEQUENTIAL = [[0, 34, 78], [65, 77, 107], [124, 123, 120], [188, 174, 108], [254, 232, 56]];
const DIVERGING = {
  light: [[33, 102, 172], [146, 197, 222], [245, 245, 244], [253, 184, 99], [179, 88, 6]],
  dark: [[90, 160, 230], [45, 85, 130], [38, 42, 48], [140, 80, 25], [245, 150, 60]],
};
const LARGEST_TABLE = 64;
const WIDEST_TABLE = 8;

const finite = (x) => (typeof x === 'number' && Number.isFinite(x) ? x : typeof x === 'boolean' ? Number(x) : null);

function scale(numbers, theme) {
  let low = Infinity;
  let high = -Infinity;
  for (const x of numbers) {
    if (x === null) continue;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  const signed = low < 0 && high > 0;
  if (signed) [low, high] = [-Math.max(-low, high), Math.max(-low, high)];
  const stops = signed ? DIVERGING[theme] : SEQUENTIAL;
  const colour = (x) => {
    if (x === null) return null;
    const at = (high > low ? (x - low) / (high - low) : 0.5) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    return stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (at - i)));
  };
  return { low, high, colour };
}

function matrix(tensor, slice) {
  if (tensor.grid?.length) return { rows: tensor.grid, mean: true };
  const data = tensor.data ?? [];
  if (!data.length) return null;
  const shape = tensor.shape;
  const width = shape.length ? shape[shape.length - 1] : 1;
  const height = shape.length > 1 ? shape[shape.length - 2] : 1;
  const rows = [];
  for (let r = 0; r < height; r++) rows.push(data.slice((slice * height + r) * width, (slice * height + r + 1) * width));
  return { rows, mean: false };
}

function statistics(tensor) {
  const parts = [];
  const add = (name, value, tone) => parts.push(el('span', { class: `stat ${tone ?? ''}` }, el('b', {}, name), ` ${value}`));
  parts.push(el('span', { class: 'stat' }, el('b', {}, tensor.kind), ` ${shapeOf(tensor)}`));
  for (const name of ['min', 'max', 'mean', 'std']) {
    if (tensor[name] !== undefined && tensor[name] !== null) add(name, number(tensor[name]));
  }
  if (tensor.nan) add('nan', count(tensor.nan), 'warn');
  if (tensor.inf) add('inf', count(tensor.inf), 'warn');
  if (tensor.requires_grad) parts.push(el('span', { class: 'stat' }, 'requires grad'));
  if (tensor.device && tensor.device !== 'cpu') parts.push(el('span', { class: 'stat' }, tensor.device));
  if (tensor.approximate) parts.push(el('span', { class: 'stat' }, 'from a sample'));
  return el('div', { class: 'stats' }, ...parts);
}

function table(rows, paint) {
  const body = rows.map((row) => el('tr', {}, ...row.map((x) => {
    const cell = el('td', {}, number(x));
    const rgb = paint.colour(finite(x));
    if (rgb) {
      cell.style.backgroundColor = `rgb(${rgb})`;
      cell.style.color = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 125 ? '#101418' : '#fff';
    }
    return cell;
  })));
  return el('div', { class: 'scroll' }, el('table', { class: 'numbers' }, el('tbody', {}, ...body)));
}

function picture(rows, paint, where, label, mean) {
  const height = rows.length;
  const width = Math.max(...rows.map((row) => row.length));
  const canvas = el('canvas', { width, height, role: 'img', 'aria-label': label, class: 'heat' });
  const context = canvas.getContext('2d');
  const image = context.createImageData(width, height);
  rows.forEach((row, r) => row.forEach((x, c) => {
    const rgb = paint.colour(finite(x));
    if (rgb) image.data.set([...rgb, 255], 4 * (r * width + c));
  }));
  context.putImageData(image, 0, 0);
  const cell = Math.max(3, Math.min(20, Math.floor(320 / width)));
  canvas.style.width = `${cell * width}px`;
  canvas.style.aspectRatio = `${width} / ${height}`;
  if (height === 1) Object.assign(canvas.style, { aspectRatio: 'auto', height: '20px' });
  const readout = el('span', { class: 'readout' });
  const legend = `${number(paint.low)} to ${number(paint.high)}${mean ? ', means of blocks' : ''}`;
  readout.textContent = legend;
  canvas.addEventListener('pointermove', (event) => {
    const r = Math.min(height - 1, Math.floor((event.offsetY / canvas.clientHeight) * height));
    const c = Math.min(width - 1, Math.floor((event.offsetX / canvas.clientWidth) * width));
    if (rows[r]?.[c] !== undefined) readout.textContent = `${where(r, c)} ${rows[r][c] === null ? 'not finite' : number(rows[r][c])}`;
  });
  canvas.addEventListener('pointerleave', () => { readout.textContent = legend; });
  return el('div', { class: 'heatmap' }, canvas, readout);
}

function plot(tensor, slice, prefix, theme) {
  const found = matrix(tensor, slice);
  if (!found || !found.rows.length || !found.rows[0].length) return el('div', { class: 'none' }, 'no elements');
  const paint = scale((found.mean ? found.rows.flat() : tensor.data).map(finite), theme);
  const { rows } = found;
  const label = `heatmap of shape ${tensor.shape.join(' by ')}`;
  if (!found.mean && rows.length * rows[0].length <= LARGEST_TABLE && rows[0].length <= WIDEST_TABLE) return table(rows, paint);
  const one = tensor.shape.length < 2;
  const where = found.mean
    ? (r, c) => `mean of block ${r}, ${c}:`
    : (r, c) => `[${[...prefix, ...(one ? [c] : [r, c])].join(', ')}] =`;
  return picture(rows, paint, where, label, found.mean);
}

export function tensorNode(tensor, theme) {
  const node = el('div', { class: 'tensor' }, statistics(tensor));
  const lead = tensor.grid?.length ? [] : tensor.shape.slice(0, -2);
  const at = lead.map(() => 0);
  let shown = null;
  const draw = () => {
    const slice = at.reduce((sum, index, axis) => sum * lead[axis] + index, 0);
    const fresh = plot(tensor, slice, at, theme);
    if (shown) shown.replaceWith(fresh);
    else node.append(fresh);
    shown = fresh;
  };
  if ((tensor.data ?? []).length) {
    lead.forEach((size, axis) => {
      if (size < 2) return;
      const shownIndex = el('output', {}, '0');
      const slider = el('input', { type: 'range', min: 0, max: size - 1, value: 0, 'aria-label': `index of axis ${axis}`,
        oninput: (event) => { at[axis] = Number(event.target.value); shownIndex.textContent = at[axis]; draw(); } });
      node.append(el('label', { class: 'slice' }, `axis ${axis} `, slider, shownIndex));
    });
  }
  if ((tensor.data ?? []).length || (tensor.grid ?? []).length) draw();
  return node;
}
