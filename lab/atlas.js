// A map of shots: pictures where there is room, dots where there is none. For lab.widgets.Atlas, and for
// the page by itself.

const SHEET = 2048, FLAT = 9 / 16; // how lab.atlas.sprites lays pictures; their height to their width
const SMALL = 16, MIDDLING = 96; // pixels: widths of a picture
const SIGNED = 40, NUMBERED = 90; // pixels: widths from which a picture bears a symbol, and a number
const PICTURES = 1500, LIT = 300, FEW = 8; // drawn at once; lit shots that are few enough to stand out
const CARD = 240, MARGIN = 50; // pixels: width of the enlarged picture; room about the whole map
const DOT = 6, NEAR = 10; // pixels: the ring of a dot; from how far a dot is found
const NEAREST = 1024, NAME = 34; // zoom; letters of a group's name on the map
const HINT = "Drag to move, wheel or + and − to zoom, 0 to see all. Hold Shift and draw round shots to "
  + "choose them; click one to bring it up. Keys: Tab, arrows from shot to shot, Enter clicks, Space "
  + "chooses, Escape clears.";

const between = (low, value, high) => Math.max(low, Math.min(value, high));

// Points sorted into square cells: those near a place are found without looking at all.
function gridOf(xs, ys, box) {
  const count = xs.length, side = Math.max(box.wide, box.tall) / Math.ceil(Math.sqrt(count / 2) + 1);
  const columns = Math.floor(box.wide / side) + 1, rows = Math.floor(box.tall / side) + 1;
  const column = (x) => between(0, Math.floor((x - box.x) / side), columns - 1);
  const row = (y) => between(0, Math.floor((y - box.y) / side), rows - 1);
  const cells = Uint32Array.from(xs, (x, k) => row(ys[k]) * columns + column(x));
  const starts = new Uint32Array(columns * rows + 1), order = new Uint32Array(count);
  for (const cell of cells) starts[cell + 1]++;
  for (let cell = 0; cell < columns * rows; cell++) starts[cell + 1] += starts[cell];
  const next = starts.slice();
  for (let k = 0; k < count; k++) order[next[cells[k]]++] = k;
  return (left, bottom, right, top, visit) => {
    for (let r = row(bottom); r <= row(top); r++) {
      const end = starts[r * columns + column(right) + 1];
      for (let at = starts[r * columns + column(left)]; at < end; at++) visit(order[at]);
    }
  };
}

// The share of the map that is not empty, by a net of 24 x 24.
function coverOf(xs, ys, box) {
  const cell = (value, low, range) => Math.min(23, Math.floor(((value - low) / range) * 24));
  const cells = Array.from(xs, (x, k) => cell(ys[k], box.y, box.tall) * 24 + cell(x, box.x, box.wide));
  return new Set(cells).size / 24 ** 2;
}

// The widest that pictures may be, in pixels, for nearly all to find room; 0 where that is too narrow.
function roomyOf(xs, ys, box, scale, least, most) {
  const fits = (wide) => {
    const kept = sparse(xs, ys, box, wide / scale, (wide * FLAT) / scale, null);
    return kept.reduce((sum, one) => sum + one, 0) >= 0.95 * xs.length;
  };
  if (!fits(least)) return 0;
  for (let k = 0; k < 6; k++) {
    const middle = (least + most) / 2;
    if (fits(middle)) least = middle; else most = middle;
  }
  return least;
}

// Which shots are pictures when one takes `wide` by `tall` of the map: as many as do not overlap, at
// most one a cell of a grid laid over the map. The `first` come first: zooming in, a picture stays one.
function sparse(xs, ys, box, wide, tall, first) {
  const count = xs.length, taken = new Map(), columns = Math.ceil(box.wide / wide) + 3;
  const kept = new Uint8Array(count);
  const keep = (k) => {
    const row = Math.floor((ys[k] - box.y) / tall) + 1, column = Math.floor((xs[k] - box.x) / wide) + 1;
    const cell = row * columns + column, meets = (other) =>
      other !== undefined && Math.abs(xs[k] - xs[other]) < wide && Math.abs(ys[k] - ys[other]) < tall;
    if (taken.has(cell)) return;
    for (let near = cell - columns; near <= cell + columns; near += columns)
      for (let at = near - 1; at <= near + 1; at++) if (meets(taken.get(at))) return;
    taken.set(cell, k);
    kept[k] = 1;
  };
  first?.forEach((was, k) => { if (was) keep(k); });
  const stride = count % 7919 ? 7919 : 7907; // a prime: the films of an archive take turns
  for (let i = 0; i < count; i++) keep((i * stride) % count);
  return kept;
}

function render({ model, el }) {
  const [bytes, texts, groups, names, colours, symbols, TILE] =
    ["places", "texts", "groups", "names", "colours", "symbols", "tile"].map((name) => model.get(name));
  const COLUMNS = Math.floor(SHEET / TILE[0]), MOST = COLUMNS * Math.floor(SHEET / TILE[1]);
  const LARGE = Math.max(MIDDLING, 0.75 * TILE[0]);
  const { buffer, byteOffset: from, byteLength } = bytes, count = texts.length;
  const places = new Float32Array(buffer.slice(from, from + byteLength)); // a copy: they must be aligned
  const xs = places.filter((_, i) => i % 2 === 0), ys = places.filter((_, i) => i % 2 === 1);
  const lowest = (values) => values.reduce((low, value) => Math.min(low, value), Infinity);
  const range = (values) => (count ? [lowest(values), -lowest(values.map((value) => -value))] : [0, 0]);
  const [left, right] = range(xs), [bottom, top] = range(ys);
  const some = Math.max(right - left, top - bottom) || 1; // shots on one line still have a map about them
  const box = { x: left, y: bottom, wide: right - left || some, tall: top - bottom || some };
  const within = gridOf(xs, ys, box), covered = coverOf(xs, ys, box), sheets = [], badges = new Map();
  const home = { x: (left + right) / 2, y: (bottom + top) / 2, zoom: 1 }, view = { ...home };
  let wide = 0, tall = 0, dots = null, levels = [], roomy = 0; // follow from the canvas
  let asked = 0, held = null, hovered = -1, focused = -1, chosen, lit;

  const canvas = element("canvas", { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", `Map of ${count} shots. ${HINT}`);
  const picture = element("canvas", { width: CARD, height: CARD * FLAT });
  const words = element("div", {});
  const card = element("div", { className: "card", hidden: true }, picture, words);
  const pointed = element("div", { className: "ring", hidden: true });
  const reached = element("div", { className: "ring reached", hidden: true });
  const says = element("div", { className: "says", role: "status" });
  says.setAttribute("aria-live", "polite");
  const style = element("style", { textContent: `
    .atlas { font: 13px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, CanvasText) }
    .atlas .map { position: relative; height: 600px; overflow: hidden; border: 1px solid #8888; user-select: none;
      background: var(--jp-layout-color1, Canvas) }
    .atlas .map > canvas { display: block; width: 100%; height: 100%; cursor: grab; touch-action: none }
    .atlas .map > canvas:focus-visible { outline: 2px solid #07f; outline-offset: -2px }
    .atlas .card, .atlas .ring { position: absolute; left: 0; top: 0; pointer-events: none }
    .atlas .card { width: ${CARD}px; border: 1px solid #8888; box-shadow: 0 2px 8px #0006;
      background: var(--jp-layout-color2, Canvas) }
    .atlas .card canvas { display: block; width: 100% } .atlas .card div { padding: 4px 6px }
    .atlas .ring { box-sizing: border-box; border: 2px solid #fff; outline: 2px solid #000 }
    .atlas .reached { border-width: 3px; outline-width: 3px }
    .atlas .says { min-height: 1.5em; margin-top: 4px }
    .atlas .hint { color: var(--jp-ui-font-color2, CanvasText) }` });
  const hint = element("div", { className: "hint", textContent: HINT });
  const map = element("div", { className: "map" }, canvas, pointed, reached, card);
  const root = element("div", { className: "atlas" }, map, says, hint);
  root.dataset.lmSuppressShortcuts = "true";
  el.append(style, root);
  const pen = canvas.getContext("2d");

  const put = (name, value) => { model.set(name, value); model.save_changes(); };
  const room = (pixels) => Math.max(1, pixels - 2 * MARGIN);
  const fit = () => Math.min(room(wide) / box.wide, room(tall) / box.tall);
  const scale = () => fit() * view.zoom;
  const across = (k) => wide / 2 + (xs[k] - view.x) * scale();
  const down = (k) => tall / 2 - (ys[k] - view.y) * scale();
  const ask = () => { asked ||= requestAnimationFrame(draw); };
  const isThere = (k) => k >= 0 && k < count;

  // How wide a picture is. Seen from farthest, nearly all find room, or else they would just fill what of
  // the map is not empty; nearer by they grow, but less than the map does, so that more find room.
  function pictureWide(zoom) {
    const fill = Math.sqrt((covered * wide * tall) / Math.min(count, PICTURES) / FLAT);
    const first = Math.max(fill, roomy);
    return Math.min(LARGE, between(SMALL, first, LARGE) * Math.sqrt(zoom));
  }

  function pictures(level = Math.floor(2 * Math.log2(view.zoom) + 1e-6)) {
    const zoom = 2 ** (level / 2), one = pictureWide(zoom) / (fit() * zoom);
    return (levels[level] ??= sparse(xs, ys, box, one, one * FLAT, level ? pictures(level - 1) : null));
  }

  // Words on a dark ground, with a stripe of colour; drawn once.
  function badge(text, colour) {
    if (badges.has(text)) return badges.get(text);
    const made = element("canvas", {}), ink = made.getContext("2d"), ratio = devicePixelRatio;
    const font = `bold ${11 * ratio}px sans-serif`;
    ink.font = font;
    Object.assign(made, { width: ink.measureText(text).width + 10 * ratio, height: 15 * ratio });
    Object.assign(ink, { font, fillStyle: "#000c", textBaseline: "middle" });
    ink.fillRect(0, 0, made.width, made.height);
    ink.fillStyle = colour;
    ink.fillRect(0, 0, 4 * ratio, made.height);
    ink.fillStyle = "#fff";
    ink.fillText(text, 7 * ratio, made.height / 2);
    badges.set(text, made);
    return made;
  }
  const stamp = (made, x, y) =>
    pen.drawImage(made, x, y, made.width / devicePixelRatio, made.height / devicePixelRatio);
  const sign = (group) => `${symbols[group % symbols.length]} ${group}`;
  const colour = (group) => colours[group % colours.length];
  const signBadge = (group) => badge(symbols[group % symbols.length], colour(group));
  const groupBadge = (group) => badge(sign(group), colour(group));
  const named = (group) => `${sign(group)} ${names[group] ?? ""}`.trim();
  const nameBadge = (group) => {
    const name = named(group);
    return badge(name.length > NAME ? `${name.slice(0, NAME - 1)}…` : name, colour(group));
  };
  const line = (k) =>
    texts[k] + (groups[k] >= 0 ? ` · scene ${named(groups[k])}` : "") + (chosen.has(k) ? " · chosen" : "");

  function paint(into, k, x, y, w, h) {
    const sheet = sheets[Math.floor(k / MOST)], at = k % MOST;
    const left = (at % COLUMNS) * TILE[0], top = Math.floor(at / COLUMNS) * TILE[1];
    if (sheet) return into.drawImage(sheet, left, top, ...TILE, x, y, w, h);
    into.fillStyle = "#808080"; // the sheet is still being read
    into.fillRect(x, y, w, h);
  }

  // A picture at its place, in frames, the outermost first: [pixels beyond the picture, colour].
  function tile(k, w, frames) {
    const h = w * FLAT, x = across(k) - w / 2, y = down(k) - h / 2;
    for (const [by, ink] of frames) {
      pen.fillStyle = ink;
      pen.fillRect(x - by, y - by, w + 2 * by, h + 2 * by);
    }
    paint(pen, k, x, y, w, h);
    if (w < SIGNED) return;
    if (groups[k] >= 0) stamp(w < NUMBERED ? signBadge(groups[k]) : groupBadge(groups[k]), x, y);
    if (chosen.has(k)) stamp(badge("✓", "#07f"), x + w - 22, y);
  }

  function draw() {
    asked = 0;
    if (!measure() || !count) return;
    const w = pictureWide(view.zoom) - 4, kept = pictures(), shown = [];
    const x = (wide / 2 + LARGE) / scale(), y = (tall / 2 + LARGE) / scale(), dot = dotter();
    within(view.x - x, view.y - y, view.x + x, view.y + y, (k) => {
      if (kept[k] && !lit.has(k)) shown.push(k);
      else if (chosen.has(k)) dot(k, 3, 0xffff7700);
      else dot(k, 1, 0xff888888);
    });
    pen.putImageData(dots, 0, 0);
    for (const k of shown) {
      const plain = groups[k] >= 0 ? [[2, colour(groups[k])]] : [];
      tile(k, w, chosen.has(k) ? [[5, "#fff"], [4, "#07f"]] : plain);
    }
    nameGroups(w);
    for (const k of [...lit].reverse())
      tile(k, litWide(), [[6, "#000"], [5, "#ff9d00"], ...(chosen.has(k) ? [[2, "#07f"]] : [])]);
    if (held?.lasso) lasso(new Path2D(`M${held.lasso.join("L")}Z`));
    show();
  }

  // Names of groups at their middles, each further down where it would lie on another.
  function nameGroups(w) {
    const taken = [];
    middles.forEach((k, group) => {
      const made = nameBadge(group), [wide, tall] = [made.width, made.height].map((side) => side / devicePixelRatio);
      const x = across(k) - w / 2, hits = (y) => taken.some(([left, top, right]) =>
        x < right && left < x + wide && Math.abs(top - y) < tall + 1);
      let y = down(k) - (w / 2) * FLAT;
      for (let tries = 0; tries < 8 && hits(y); tries++) y += tall + 1;
      taken.push([x, y, x + wide]);
      stamp(made, x, y);
    });
  }

  // Dots are set pixel by pixel: 20,000 rectangles would take the canvas longer than a frame lasts.
  function dotter() {
    const pixels = new Uint32Array(dots.data.buffer), { width, height } = dots;
    const ratio = devicePixelRatio, by = scale() * ratio;
    const x = width / 2 - view.x * by, y = height / 2 + view.y * by;
    pixels.fill(0);
    return (k, half, ink) => {
      const left = Math.round(x + xs[k] * by), top = Math.round(y - ys[k] * by);
      const reach = Math.round(half * ratio);
      const to = Math.min(width, left + reach), end = Math.min(height, top + reach);
      for (let row = Math.max(0, top - reach); row < end; row++)
        for (let at = Math.max(0, left - reach); at < to; at++) pixels[row * width + at] = ink;
    };
  }

  // Black and white: seen on any picture and in any theme.
  function lasso(path) {
    for (const [ink, width, dashes] of [["#000", 4, []], ["#fff", 2, [6, 4]]]) {
      Object.assign(pen, { strokeStyle: ink, lineWidth: width });
      pen.setLineDash(dashes);
      pen.stroke(path);
    }
  }

  function measure() {
    const ratio = devicePixelRatio;
    const [w, h] = [canvas.clientWidth, canvas.clientHeight].map((pixels) => Math.round(pixels * ratio));
    if (canvas.width !== w || canvas.height !== h) {
      Object.assign(canvas, { width: w, height: h });
      [wide, tall, levels] = [canvas.clientWidth, canvas.clientHeight, []];
      roomy = count > PICTURES ? 0 : roomyOf(xs, ys, box, fit(), SMALL, LARGE);
      dots = w && h ? pen.createImageData(w, h) : null;
      badges.clear();
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return dots !== null;
  }

  const litWide = () => Math.max(32, (lit.size > FEW ? 1 : 1.5) * pictureWide(view.zoom));
  const wideOf = (k) => (lit.has(k) ? litWide() : pictures()[k] ? pictureWide(view.zoom) : DOT);

  // What is pointed at lies over the map, which need not be drawn anew: rings, and beside the shot a
  // card with its picture, larger, and its line.
  function show() {
    const k = isThere(hovered) ? hovered : focused;
    ring(pointed, hovered, 1);
    ring(reached, focused, 4);
    card.hidden = !isThere(k);
    if (card.hidden) return;
    if (words.textContent !== line(k)) words.textContent = line(k);
    paint(picture.getContext("2d"), k, 0, 0, picture.width, picture.height);
    const off = wideOf(k) / 2 + 10, high = CARD * FLAT + 80; // with four lines of text
    const x = across(k) + off + CARD < wide ? across(k) + off : across(k) - off - CARD;
    const y = between(0, down(k) - 54, tall - high);
    card.style.transform = `translate(${between(0, x, wide - CARD)}px, ${y}px)`;
  }

  function ring(made, k, by) {
    made.hidden = !isThere(k);
    if (made.hidden) return;
    const w = wideOf(k) / 2 + by, h = (wideOf(k) / 2) * FLAT + by;
    Object.assign(made.style, { width: `${2 * w}px`, height: `${2 * h}px`,
      transform: `translate(${across(k) - w}px, ${down(k) - h}px)` });
  }

  // The shot under a point of the canvas: the lit one there, or the picture, or else the nearest dot.
  function under(x, y) {
    const reach = Math.max(litWide() / 2, NEAR) / scale();
    const mx = view.x + (x - wide / 2) / scale(), my = view.y - (y - tall / 2) / scale();
    let best = -1, low = 2e3 + NEAR;
    within(mx - reach, my - reach, mx + reach, my + reach, (k) => {
      const dx = Math.abs(across(k) - x), dy = Math.abs(down(k) - y), w = wideOf(k) / 2;
      const on = w > DOT / 2 && dx <= w && dy <= w * FLAT;
      const far = Math.hypot(dx, dy) + (on ? (lit.has(k) ? 0 : 1e3) : 2e3);
      if (far < low) [best, low] = [k, far];
    });
    return best;
  }

  function zoom(by, x = wide / 2, y = tall / 2) {
    const before = scale();
    view.zoom = between(1, view.zoom * by, NEAREST);
    move((x - wide / 2) * (1 - scale() / before), (y - tall / 2) * (1 - scale() / before));
  }

  function move(dx, dy) {
    view.x = between(box.x, view.x - dx / scale(), box.x + box.wide);
    view.y = between(box.y, view.y + dy / scale(), box.y + box.tall);
    ask();
  }

  function speak() {
    const told = [`${count} shots`, chosen.size && `${chosen.size} chosen`, lit.size && `${lit.size} lit`];
    says.textContent = isThere(focused) ? line(focused) : told.filter(Boolean).join(", ");
  }

  function focus(k) {
    [focused, hovered] = [k, -1];
    if (isThere(k) && !seen(k)) [view.x, view.y] = [xs[k], ys[k]];
    speak();
    ask();
  }

  function least(far) {
    let best = -1, low = Infinity;
    for (let k = 0; k < count; k++) {
      const here = far(k);
      if (here < low) [best, low] = [k, here];
    }
    return best;
  }
  const middle = () => least((k) => Math.hypot(xs[k] - view.x, ys[k] - view.y));

  // The nearest shot in a direction, off to the sides less than ahead; those at one place go in turn.
  function toward(dx, dy) {
    const found = least((k) => {
      const x = xs[k] - xs[focused], y = ys[k] - ys[focused];
      const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
      const next = x === 0 && y === 0 && (dx - dy) * (k - focused) > 0;
      return next || (ahead > 0 && aside <= ahead) ? ahead + 2 * aside : Infinity;
    });
    return isThere(found) ? found : focused;
  }

  function click(k) {
    if (model.get("clicked") === k) put("clicked", -1);
    put("clicked", k);
    focus(k); // the arrows go on from here
  }

  function toggle(k) {
    const others = [...chosen].filter((other) => other !== k);
    put("chosen", chosen.has(k) ? others : [...others, k]);
  }

  function choose(lasso) {
    const path = new Path2D(`M${lasso.join("L")}Z`);
    pen.setTransform(1, 0, 0, 1, 0, 0);
    put("chosen", [...xs.keys()].filter((k) => pen.isPointInPath(path, across(k), down(k))));
  }

  function clear() {
    held = null;
    put("clicked", -1);
    put("chosen", []);
    focus(-1);
  }

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  canvas.onkeydown = (event) => {
    const [dx, dy] = ARROWS[event.key] ?? [];
    const here = isThere(focused) ? [across(focused), down(focused)] : []; // zoomed about; or the middle
    if (dx !== undefined && isThere(focused)) focus(toward(dx, dy));
    else if (dx !== undefined && event.ctrlKey) focus(middle());
    else if (dx !== undefined) move(-dx * 80, dy * 80);
    else if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's own
    else if (event.key === "+" || event.key === "=") zoom(Math.SQRT2, ...here);
    else if (event.key === "-") zoom(Math.SQRT1_2, ...here);
    else if (event.key === "0") { Object.assign(view, home); ask(); }
    else if (event.key === "Escape") clear();
    else if (event.key === "Enter" && isThere(focused)) click(focused);
    else if (event.key === " " && isThere(focused)) toggle(focused);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  canvas.onfocus = () => { if (!held) focus(middle()); };
  canvas.onblur = () => focus(-1);
  canvas.onpointerdown = ({ pointerId, offsetX: x, offsetY: y, shiftKey, button }) => {
    if (button !== 0) return;
    canvas.setPointerCapture(pointerId);
    held = { x, y, moved: false, shiftKey, lasso: shiftKey ? [`${x} ${y}`] : null };
  };
  canvas.onpointermove = ({ offsetX: x, offsetY: y }) => {
    if (!held) {
      const found = under(x, y);
      if (found !== hovered) { hovered = found; show(); }
      return;
    }
    held.moved ||= Math.hypot(x - held.x, y - held.y) > 4;
    if (!held.moved) return;
    hovered = -1;
    if (held.lasso) { held.lasso.push(`${x} ${y}`); return ask(); }
    move(x - held.x, y - held.y);
    [held.x, held.y] = [x, y];
  };
  canvas.onpointerup = ({ offsetX: x, offsetY: y }) => {
    const was = held, found = under(x, y);
    held = null;
    if (was?.moved && was.lasso) choose(was.lasso);
    else if (was && !was.moved && isThere(found)) (was.shiftKey ? toggle : click)(found);
    ask();
  };
  canvas.onpointercancel = () => { held = null; ask(); };
  canvas.onpointerleave = () => { hovered = -1; show(); };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    hovered = -1;
    const by = [0.0015, 0.03, 0.5][event.deltaMode] * (event.ctrlKey ? 8 : 1); // a pinch sends small steps
    zoom(Math.exp(-event.deltaY * by), event.offsetX, event.offsetY);
  }, { passive: false });

  // A shot amid each group: there its badge stands when pictures are too small for it.
  const middles = new Map();
  Map.groupBy(groups.keys(), (k) => groups[k]).forEach((members, group) => {
    if (group < 0) return;
    const median = (values) => members.map((k) => values[k]).sort((a, b) => a - b)[members.length >> 1];
    const x = median(xs), y = median(ys), far = (k) => Math.hypot(xs[k] - x, ys[k] - y);
    middles.set(group, members.reduce((best, k) => (far(k) < far(best) ? k : best)));
  });

  const seen = (k) => Math.abs(across(k) - wide / 2) < wide / 2 && Math.abs(down(k) - tall / 2) < tall / 2;

  function told() {
    chosen = new Set(model.get("chosen").filter(isThere));
    lit = new Set(model.get("lit").filter(isThere).slice(0, LIT));
    if (lit.size && ![...lit].some(seen)) Object.assign(view, home);
    speak();
    ask();
  }
  model.on("change:chosen change:lit", told);
  model.get("sheets").forEach(async (sheet, k) => {
    sheets[k] = await createImageBitmap(new Blob([sheet], { type: "image/jpeg" }));
    ask();
  });
  const resized = new ResizeObserver(ask);
  resized.observe(canvas);
  told();
  return () => {
    resized.disconnect();
    cancelAnimationFrame(asked);
    sheets.splice(0).forEach((sheet) => sheet.close());
  };
}

export default { render };
