// lab.widgets.MatchStudio: sliders, the trailer's cuts and sound, a preview, the storyboard.

const CHANNELS = ["subject", "composition", "colour", "motion", "framing"];
const SETTLE = 350; // milliseconds after a slider's last move, when its place is kept
const LEAD = 0.05; // seconds by which a video may run apart from the sound before it is set right

function render({ model, el }) {
  const send = (act, more = {}) => model.send({ do: act, ...more });
  const films = () => model.get("films"), rows = () => model.get("rows");
  const picture = (shot) => `${films()[shot.film].thumbnails}/${shot.index}.jpg`;
  const button = (label, press, more = {}) =>
    element("button", { type: "button", textContent: label, onclick: press, className: "jupyter-button", ...more });
  const current = () => rows()[model.get("selected") - 1] ?? rows()[0];

  const style = element("style", { textContent: `
    .studio { font: 12px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, #222) }
    .studio .bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin: 4px 0 }
    .studio .controls { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 2px 16px }
    .studio .controls label { display: grid; grid-template-columns: 84px 1fr 34px; gap: 6px; align-items: center }
    .studio .controls label.wide { grid-template-columns: auto 1fr } .studio input[type=range] { width: 100% }
    .studio canvas { width: 100%; height: 56px; display: block; border: 1px solid #8886; cursor: pointer }
    .studio .screens { display: grid; grid-template-columns: 1fr 1fr; gap: 4px; background: #000; max-width: 960px }
    .studio .screens div { aspect-ratio: 16/9; position: relative; overflow: hidden; background: #000 }
    .studio .screens video { width: 100%; height: 100%; object-fit: contain; display: block }
    .studio .board { display: flex; gap: 6px; overflow-x: auto; padding: 4px 2px 10px }
    .studio .shot { flex: 0 0 150px; padding: 4px; border: 2px solid #8884; background: var(--jp-layout-color1, #fff) }
    .studio .shot[aria-current=true] { border-color: #07f } .studio .shot img { width: 100%; display: block; background: #000 }
    .studio .shot .answer { margin-top: 4px; position: relative; border: 0; padding: 0; width: 100%; background: #000; cursor: pointer }
    .studio .shot .mirrored { transform: scaleX(-1) } .studio .badges { min-height: 16px; font-weight: bold }
    .studio .empty { aspect-ratio: 16/9; background: #222; color: #ddd; display: grid; place-items: center }
    .studio .rivals { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 2px; margin-top: 4px }
    .studio .rivals button { padding: 0; border: 1px solid transparent; background: #000; cursor: pointer }
    .studio .rivals button:hover, .studio .rivals button:focus { border-color: #07f }
    .studio .shot p { margin: 2px 0; font-size: 11px } .studio .shot .bar { margin: 2px 0 }
    .studio .detail { min-height: 150px }
    .studio .bars { display: grid; grid-template-columns: 90px 200px 50px; gap: 2px 6px; align-items: center }
    .studio .bars i { display: block; height: 8px; background: #2a6f97 } .studio .lacks { color: #b3410e }
    .studio :focus-visible { outline: 2px solid #07f; outline-offset: 1px }` });

  // The controls, as the settings have them.
  const inputs = new Map(), controls = element("div", { className: "controls" });
  for (const field of model.get("fields")) {
    const { kind, name, label, help = "" } = field;
    const value = element("output", {});
    let input;
    if (kind === "choice") {
      input = element("select", {}, ...field.choices.map((one) => element("option", { value: one, textContent: one })));
      input.onchange = () => send("set", { name, value: input.value });
    } else if (kind === "switch") {
      input = element("input", { type: "checkbox" });
      input.onchange = () => send("set", { name, value: input.checked });
    } else {
      input = element("input", { type: "range", min: field.least, max: field.most, step: field.step });
      input.oninput = () => { value.textContent = input.value; moved(kind, name); };
    }
    input.title = help;
    input.dataset.name = name;
    input.setAttribute("aria-label", help ? `${label}: ${help}` : label);
    inputs.set(name, { input, value, kind });
    const wide = kind === "choice" || kind === "switch";
    controls.append(element("label", { className: wide ? "wide" : "", title: help },
      ...(wide ? [input, element("span", { textContent: label })] : [element("span", { textContent: label }), input, value])));
  }

  // While a weight moves, answers come from the candidates at once; when it rests, all is worked out.
  let settling = null, number = 0, flying = false, again = false;
  const weights = () => Object.fromEntries(CHANNELS.map((name) => [name, Number(inputs.get(name).input.value)]));
  function moved(kind, name) {
    clearTimeout(settling);
    if (kind === "weight") {
      weigh();
      settling = setTimeout(() => send("set", { name: "weights", value: weights() }), SETTLE);
    } else settling = setTimeout(() => send("set", { name, value: Number(inputs.get(name).input.value) }), SETTLE);
  }
  function weigh() {
    if (flying) { again = true; return; }
    flying = true;
    send("weigh", { weights: weights(), number: ++number });
  }
  const heard = (message) => {
    if (message.number === undefined) return;
    flying = false;
    if (again) { again = false; weigh(); }
    message.answers.forEach((answer, k) => { if (answer && rows()[k].kind === "match" && !rows()[k].pinned) swap(k, answer); });
  };
  model.on("msg:custom", heard);

  function swap(k, answer) {
    const image = board.children[k]?.querySelector(".answer img");
    if (!image || image.dataset.shot === answer.shot) return;
    Object.assign(image, { src: picture(answer), alt: answer.words || answer.text });
    image.dataset.shot = answer.shot;
    board.children[k].querySelector(".why").textContent = answer.text;
  }

  const presets = element("select", { ariaLabel: "Presets of weights" });
  presets.setAttribute("aria-label", "Presets of weights");
  presets.onchange = () => { if (presets.value) send("preset", { name: presets.value }); presets.value = ""; };
  const name = element("input", { placeholder: "a name for these weights" });
  name.setAttribute("aria-label", "Name for these weights");
  const undo = button("Undo", () => send("undo")), redo = button("Redo", () => send("redo"));
  const says = element("div", { role: "status", className: "says" });
  says.setAttribute("aria-live", "polite");
  const lacks = element("div", { className: "lacks" });

  // The preview: the sound leads, the trailer's proxy and the answer's follow it.
  const audio = element("audio", { preload: "auto", src: model.get("sound") });
  const left = element("video", { muted: true, playsInline: true, preload: "auto" });
  const right = element("video", { muted: true, playsInline: true, preload: "auto" });
  left.setAttribute("aria-label", "trailer");
  right.setAttribute("aria-label", "what answers it");
  const screens = element("div", { className: "screens" }, element("div", {}, left), element("div", {}, right));
  let playing = null; // { from, to, row }
  const clock = () => (model.get("sound") ? audio.currentTime : left.currentTime);

  function show(row, at) {
    const { query, answer, kind, speed, mirror } = row;
    const proxy = films()[query.film].proxy;
    if (left.dataset.src !== proxy) { left.src = proxy; left.dataset.src = proxy; }
    const other = kind === "match" && answer ? films()[answer.film].proxy : kind === "keep" ? proxy : "";
    if (right.dataset.src !== other) { right.dataset.src = other; if (other) right.src = other; else right.removeAttribute("src"); }
    right.style.visibility = other ? "" : "hidden";
    frame(row);
    right.playbackRate = kind === "match" ? speed : 1;
    left.currentTime = at;
    right.currentTime = kind === "match" && answer ? answer.start + (at - query.start) * speed : at;
    right.dataset.row = row.position;
  }

  // The part of an answer that is shown: its picture inside its bars, and of that what the row says.
  function frame({ kind, answer, mirror }, part = null) {
    const [l, t, r, b] = kind === "match" && answer ? within(films()[answer.film].crop, part ?? answer.part) : [0, 0, 1, 1];
    const wide = right.clientWidth, tall = right.clientHeight, ratio = right.videoWidth / right.videoHeight || wide / tall;
    const w = Math.min(wide, tall * ratio), h = w / ratio, scale = Math.min(wide / ((r - l) * w), tall / ((b - t) * h));
    const x = (wide - w) / 2, y = (tall - h) / 2;
    right.style.clipPath = `inset(${y + t * h}px ${x + (1 - r) * w}px ${y + (1 - b) * h}px ${x + l * w}px)`;
    right.style.transform = `${mirror ? "scaleX(-1) " : ""}scale(${scale}) translate(${(0.5 - (l + r) / 2) * w}px, ${(0.5 - (t + b) / 2) * h}px)`;
  }
  const within = ([l, t, r, b], part) => part
    ? [l + (r - l) * part[0], t + (b - t) * part[1], l + (r - l) * part[2], t + (b - t) * part[3]] : [l, t, r, b];
  right.onloadedmetadata = () => frame(rows()[Number(right.dataset.row) - 1] ?? current());

  function play(from, to) {
    stop();
    const row = rows().find((one) => from < one.query.end - 1e-3) ?? current();
    playing = { from, to, row: row.position };
    show(row, from);
    if (model.get("sound")) { audio.currentTime = from; audio.play().catch(() => {}); }
    left.play().catch(() => {});
    if (row.kind !== "black") right.play().catch(() => {});
    playing.tick = requestAnimationFrame(follow);
  }

  function follow() {
    if (!playing) return;
    const now = clock();
    if (now >= playing.to - 0.01 || (model.get("sound") && audio.ended)) { stop(); return; }
    const row = rows().find((one) => now < one.query.end - 1e-3);
    if (row && row.position !== playing.row) {
      playing.row = row.position;
      show(row, now);
      left.play().catch(() => {});
      if (row.kind !== "black") right.play().catch(() => {});
      look(row.position, false);
    } else if (Math.abs(left.currentTime - now) > 4 * LEAD && !left.seeking) left.currentTime = now;
    playing.tick = requestAnimationFrame(follow);
    draw(now);
  }

  function stop() {
    if (playing) cancelAnimationFrame(playing.tick);
    playing = null;
    for (const one of [audio, left, right]) one.pause();
  }
  const pair = (row) => { look(row.position); play(row.query.start, row.query.end); };

  // The trailer's cuts and its sound.
  const strip = element("canvas", { tabIndex: 0 });
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", "the trailer's shots as blocks, its sound as a wave");
  function draw(now = null) {
    const pen = strip.getContext("2d"), ratio = devicePixelRatio;
    const [wide, tall] = [strip.clientWidth, strip.clientHeight], all = rows(), wave = model.get("wave");
    if (!wide || !all.length) return;
    Object.assign(strip, { width: wide * ratio, height: tall * ratio });
    pen.scale(ratio, ratio);
    const long = all[all.length - 1].query.end, x = (second) => (second / long) * wide;
    all.forEach((row, k) => {
      pen.fillStyle = row.position === model.get("selected") ? "#0077ff66" : k % 2 ? "#8883" : "#8886";
      pen.fillRect(x(row.query.start), 0, x(row.query.end) - x(row.query.start), tall);
      if (row.pinned) { pen.fillStyle = "#07f"; pen.fillRect(x(row.query.start), tall - 4, x(row.query.end) - x(row.query.start) - 1, 4); }
    });
    pen.fillStyle = "#444b";
    wave.forEach((loud, k) => pen.fillRect((k / wave.length) * wide, (tall - loud * tall) / 2, Math.max(1, wide / wave.length), loud * tall));
    if (now !== null) { pen.fillStyle = "#d00"; pen.fillRect(x(now), 0, 2, tall); }
  }
  strip.onclick = (event) => {
    const all = rows(), second = (event.offsetX / strip.clientWidth) * all[all.length - 1].query.end;
    look((all.find((row) => second < row.query.end) ?? all[0]).position);
  };

  // The storyboard.
  const board = element("div", { className: "board" });
  board.setAttribute("role", "list");
  board.setAttribute("aria-label", "storyboard: every shot of the trailer, what answers it, and what else could");

  function column(row) {
    const { position, query, answer, kind } = row;
    const image = (shot, more = {}) => element("img", { src: picture(shot), alt: shot.words || shot.text, loading: "lazy", ...more });
    const shown = kind === "match" && answer
      ? image(answer, { className: row.mirror ? "mirrored" : "" })
      : element("div", { className: "empty", textContent: kind === "keep" ? "the trailer itself" : "black" });
    if (answer && kind === "match") shown.dataset.shot = answer.shot;
    const badges = [row.pinned && "● pinned", row.weak && "▲ weak", kind !== "match" && kind, row.mirror && "mirrored", answer?.part && "part of it"].filter(Boolean).join("  ");
    const made = element("div", { className: "shot", tabIndex: position === model.get("selected") ? 0 : -1 },
      element("div", { textContent: `${position}   ${query.start.toFixed(1)} s, ${(query.end - query.start).toFixed(1)} s long` }),
      image(query),
      element("button", { type: "button", className: "answer", onclick: () => pair(row), title: "play this pair" }, shown),
      element("div", { className: "badges", textContent: badges }),
      element("p", { className: "why", textContent: answer ? answer.text : "" }),
      element("div", { className: "bar" },
        button(row.pinned ? "Unpin" : "Pin", () => { look(position); send(row.pinned ? "unpin" : "pin", { position }); }),
        kind === "match" ? button("Reject", () => { look(position); send("reject", { position, what: "pair" }); }) : null),
      element("div", { className: "rivals" }, ...row.rivals.map((shot) => {
        const choose = element("button", { type: "button", title: `answer with ${shot.text}`, onclick: () => { look(position); send("choose", { position, shot: shot.shot }); } }, image(shot));
        choose.setAttribute("aria-label", `Answer shot ${position} with ${shot.text}, ${shot.words}`);
        moving(choose, shot);
        return choose;
      })));
    made.querySelector(".answer").setAttribute("aria-label", `Play shot ${position} beside what answers it: ${answer ? answer.text : kind}`);
    for (const one of made.querySelectorAll(".bar button")) one.setAttribute("aria-label", `${one.textContent} shot ${position}`);
    made.setAttribute("role", "listitem");
    made.setAttribute("aria-current", position === model.get("selected"));
    made.dataset.position = position;
    made.onclick = (event) => { if (!event.target.closest("button")) look(position); };
    return made;
  }

  // A thumbnail moves while it is pointed at or reached.
  function moving(holder, shot) {
    let video = null;
    const start = () => {
      if (video) return;
      video = element("video", { muted: true, playsInline: true, src: `${films()[shot.film].proxy}#t=${shot.start},${shot.end}` });
      Object.assign(video.style, { width: "100%", display: "block" });
      video.ontimeupdate = () => { if (video && video.currentTime >= shot.end - 0.05) video.currentTime = shot.start; };
      holder.firstChild.hidden = true;
      holder.append(video);
      video.play().catch(() => {});
    };
    const end = () => { video?.remove(); video = null; holder.firstChild.hidden = false; };
    holder.onpointerenter = holder.onfocus = start;
    holder.onpointerleave = holder.onblur = end;
  }

  board.addEventListener("focusin", (event) => {
    const position = Number(event.target.closest(".shot")?.dataset.position);
    if (position && position !== model.get("selected")) look(position);
  });
  board.onkeydown = (event) => {
    if (event.target.closest("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const row = current(), { position } = row;
    if (event.key === "ArrowRight") look(Math.min(rows().length, position + 1), true, true);
    else if (event.key === "ArrowLeft") look(Math.max(1, position - 1), true, true);
    else if (event.key === "p" || event.key === "P") send(row.pinned ? "unpin" : "pin", { position });
    else if (event.key === "r" || event.key === "R") send("reject", { position, what: "pair" });
    else if (event.key === "Enter" && !event.target.closest("button")) pair(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  function look(position, quiet = true, focus = false) {
    if (model.get("selected") !== position) { model.set("selected", position); model.save_changes(); }
    for (const one of board.children) {
      const here = Number(one.dataset.position) === position;
      one.setAttribute("aria-current", here);
      one.tabIndex = here ? 0 : -1;
      if (here) one.scrollIntoView({ block: "nearest", inline: "nearest" });
      if (here && focus) one.focus();
    }
    if (!playing) { draw(); show(current(), current().query.start + LEAD); }
    detail();
  }

  // The shot that is looked at: why, and all that can be changed.
  const detailed = element("div", { className: "detail" });
  function detail() {
    const row = current(), { position } = row, match = row.kind === "match";
    const speed = element("input", { type: "number", min: 0.05, max: 4, step: 0.05, value: row.speed.toFixed(2) });
    speed.setAttribute("aria-label", "Speed of the answer");
    speed.onchange = () => send("change", { position, values: { speed: Number(speed.value) } });
    const [zoom, across, down] = framing(row);
    const layout = element("select", {}, ...model.get("layouts").map((one) => element("option", { value: one, textContent: one })));
    layout.setAttribute("aria-label", "Layout of the clip");
    const acts = [
      button("Play pair", () => pair(row)), button("Play all from here", () => play(row.query.start, rows().at(-1).query.end)),
      button("Stop", stop),
      ...(match ? [
        button("A frame earlier", () => send("nudge", { position, frames: -1 })), button("A frame later", () => send("nudge", { position, frames: 1 })),
        button(row.mirror ? "Not mirrored" : "Mirror", () => send("change", { position, values: { mirror: !row.mirror } })),
        element("label", { textContent: "speed " }, speed),
        ...[zoom, across, down].map((one) => element("label", { textContent: `${one.title} ` }, one)),
        button("Never this shot", () => send("reject", { position, what: "shot" })), button("Never this film", () => send("reject", { position, what: "film" })),
        button("More like this", () => send("judge", { position, liked: true })), button("Less like this", () => send("judge", { position, liked: false })),
      ] : []),
      button("Keep the trailer's shot", () => send("change", { position, values: { kind: "keep" } })),
      button("Black", () => send("change", { position, values: { kind: "black" } })),
      button("Post this pair as a clip", () => send("post", { position, preset: layout.value })), layout,
    ];
    const bars = Object.entries(row.scores).flatMap(([channel, score]) => [
      element("span", { textContent: channel }),
      element("i", { style: `width: ${Math.max(0, Math.min(1, score)) * 100}%` }),
      element("span", { textContent: score.toFixed(2) })]);
    detailed.replaceChildren(
      element("div", { className: "bar" }, element("b", { textContent: `Shot ${position}` }), ...acts),
      element("p", { textContent: row.why }), element("div", { className: "bars" }, ...bars));
  }

  // Sliders for what part of an answer is shown: how large, and what is in the middle.
  function framing(row) {
    const [l, t, r, b] = row.answer?.part ?? [0, 0, 1, 1];
    const told = [["zoom", 1, 4, 1 / (r - l)], ["across", 0, 1, (l + r) / 2], ["down", 0, 1, (t + b) / 2]];
    const sliders = told.map(([title, min, max, value]) => {
      const one = element("input", { type: "range", min, max, step: 0.05, value, title });
      one.setAttribute("aria-label", title === "zoom" ? "How large the answer is shown" : `What is in the middle, ${title}`);
      return one;
    });
    const values = () => Object.fromEntries(sliders.map((one) => [one.title, Number(one.value)]));
    const between = (at, side) => Math.max(0, Math.min(1 - side, at - side / 2));
    for (const one of sliders) {
      one.oninput = () => {
        const { zoom, across, down } = values(), side = 1 / zoom, x = between(across, side), y = between(down, side);
        frame(row, [x, y, x + side, y + side]);
      };
      one.onchange = () => send("reframe", { position: row.position, values: values() });
    }
    return sliders;
  }

  function refresh() {
    const settings = model.get("settings");
    for (const [field, { input, value, kind }] of inputs) {
      const now = kind === "weight" ? settings.weights[field] : settings[field];
      if (kind === "switch") input.checked = now;
      else if (document.activeElement !== input || !settling) { input.value = now; value.textContent = now; }
    }
    const focus = board.contains(document.activeElement) ? model.get("selected") : null, scrolled = board.scrollLeft;
    board.replaceChildren(...rows().map(column));
    board.scrollLeft = scrolled;
    if (focus) board.children[focus - 1]?.focus({ preventScroll: true });
    presets.replaceChildren(element("option", { value: "", textContent: "presets" }),
      ...Object.keys(model.get("presets")).map((one) => element("option", { value: one, textContent: one })));
    [undo.disabled, redo.disabled] = [!model.get("can").undo, !model.get("can").redo];
    const some = model.get("lacks");
    lacks.textContent = some.length ? `Weak answers want what the archive has little of: ${some.join("; ")}.` : "";
    says.textContent = model.get("said");
    detail();
    draw();
    root.dataset.ready = "true";
  }

  const root = element("div", { className: "studio" },
    element("div", { className: "bar" }, undo, redo, presets, name, button("Keep these weights", () => send("save", { name: name.value }))),
    controls, says, lacks, screens, audio, strip, detailed, board);
  root.dataset.lmSuppressShortcuts = "true";
  root.addEventListener("keydown", keepKeys);
  el.append(style, root);
  model.on("change:rows change:settings change:presets change:can change:lacks", () => { settling = null; refresh(); });
  model.on("change:said", () => { says.textContent = model.get("said"); });
  const resized = new ResizeObserver(() => draw());
  resized.observe(strip);
  refresh();
  show(current(), current().query.start);
  return () => { stop(); clearTimeout(settling); resized.disconnect(); model.off("msg:custom", heard); };
}

export default { render };
