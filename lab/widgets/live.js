// lab.widgets.LiveView and `lab see live`: a camera or a film, looked through a network or answered.

const AHEAD = 2; // pictures on their way at once: the next is shown while one is worked on, never a queue
const LARGEST = 720; // pixels of the shorter side of a picture that is sent, at most
const CAMERAS = 2; // of what can be looked at, these come first: the browser's and this machine's
const MEAN = 20; // pictures over which speed is told
const SILENT = 4000; // milliseconds without an answer, after which that is said
const LATE = "No answer yet: Python is busy, or gone.";
const REFUSED = {
  NotAllowedError: "The camera was refused: allow it beside the browser's address, then press Start; or look at a film.",
  NotFoundError: "No camera was found: connect one, then press Start; or look at a film.",
  NotReadableError: "Another program is using the camera: close it, then press Start; or look at a film.",
};
const INSECURE = "The browser gives its camera only to pages on this machine or over https: open the page "
  + "so, or look through this machine's camera or at a film.";

function render({ model, el }) {
  const told = () => model.get("told");
  const button = (label, press, more = {}) =>
    element("button", { type: "button", textContent: label, onclick: press, className: "jupyter-button", ...more });
  const named = (made, label) => { made.setAttribute("aria-label", label); return made; };
  const ask = (act, more = {}, pictures = []) => model.send({ do: act, ...more }, undefined, pictures);

  const style = element("style", { textContent: `
    .live { font: 13px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, #222) }
    .live .bar { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 6px 0 }
    .live .panes { display: flex; flex-wrap: wrap; gap: 6px; align-items: flex-start }
    .live figure { margin: 0; flex: 1 1 220px; max-width: 640px } .live [hidden] { display: none }
    .live figure.seen { flex-grow: 2 }
    .live canvas { width: 100%; display: block; background: #000; min-height: 120px; object-fit: contain }
    .live figcaption { font-size: 12px; min-height: 1.3em } .live .says { min-height: 1.5em; margin: 4px 0 }
    .live .controls { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: 3px 18px }
    .live .controls label { display: grid; grid-template-columns: 84px 1fr 40px; gap: 6px; align-items: center }
    .live .controls label.wide { grid-template-columns: auto 1fr } .live input[type=range] { width: 100% }
    .live .wrong::before { content: "⚠ " } .live .recording::before { content: "● " }
    .live .kept video { max-width: 480px; width: 100%; display: block }
    .live :focus-visible { outline: 2px solid #07f; outline-offset: 1px }` });

  const says = element("div", { className: "says" });
  says.setAttribute("role", "status");
  const say = (text, wrong = false) => { says.textContent = text; says.classList.toggle("wrong", wrong); };

  // The panes.
  const panes = {}, shown = { camera: true, processed: true, seen: true };
  for (const [name, text] of [["camera", "camera"], ["processed", "what the network is shown"], ["seen", "seen"]]) {
    const canvas = named(element("canvas", { width: 320, height: 180 }), text);
    canvas.setAttribute("role", "img");
    const caption = element("figcaption", { textContent: text });
    panes[name] = { canvas, caption, figure: element("figure", { className: name }, caption, canvas) };
  }
  const switches = Object.keys(panes).map((name) => {
    const box = element("input", { type: "checkbox", checked: true });
    box.onchange = () => { shown[name] = box.checked; draw(); };
    return element("label", {}, box, ` ${name}`);
  });
  const whole = button("Full screen", () => panes.seen.canvas.requestFullscreen?.());

  // What is looked through and at.
  const through = named(element("select", { onchange: () => ask("through", { name: through.value }) }), "Look through");
  const at = named(element("select", {}), "Look at");
  at.onchange = () => { halt(); ask("at", { name: at.value }); begin(); };
  const fill = (select, names, chosen) => {
    if (names.join("\n") !== [...select.options].map((one) => one.value).join("\n"))
      select.replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
    select.value = chosen;
  };
  const start = button("Start", () => (running ? halt() : begin()));
  const freeze = button("Freeze", () => ask("set", { name: "freeze", value: !told().settings.freeze }));
  const record = button("Record", () => {
    ask(told().recording ? "keep" : "record");
    [record.textContent, record.disabled] = [told().recording ? "Keeping…" : "Beginning…", true]; // until it is told
  });
  const rate = element("span", { className: "rate" }), kept = element("div", { className: "kept" });

  // The controls, as the settings have them.
  const controls = element("div", { className: "controls" });
  let made = "";
  function control({ kind, name, label, help, least, most, step }) {
    const value = element("output", {}), slider = kind === "slider";
    const input = slider ? element("input", { type: "range", min: least, max: most, step })
      : element("input", { type: "checkbox" });
    const read = () => (slider ? Number(input.value) : input.checked);
    input[slider ? "oninput" : "onchange"] = () => { value.textContent = slider ? input.value : ""; ask("set", { name, value: read() }); };
    input.dataset.name = name;
    named(input, `${label}: ${help}`);
    const text = element("span", { textContent: label });
    return element("label", { className: slider ? "" : "wide", title: help }, ...(slider ? [text, input, value] : [input, text]));
  }
  function draw() {
    const { choices, sources, fields, settings, recording, network } = told();
    fill(through, choices, told().through);
    fill(at, sources, told().at);
    const all = fields.map((field) => field.name).join();
    if (all !== made) { controls.replaceChildren(...fields.filter((one) => one.name !== "freeze").map(control)); made = all; }
    for (const input of controls.querySelectorAll("input")) {
      const value = settings[input.dataset.name];
      if (input.type === "checkbox") input.checked = value;
      else if (input !== document.activeElement) { // one that is being moved is ahead of what is told
        input.value = value;
        input.parentElement.querySelector("output").textContent = String(Math.round(value * 100) / 100);
      }
    }
    freeze.textContent = settings.freeze ? "Go on" : "Freeze";
    freeze.setAttribute("aria-pressed", String(Boolean(settings.freeze)));
    record.disabled = false;
    record.textContent = recording ? "Stop recording" : "Record";
    record.classList.toggle("recording", recording);
    const film = !sources.slice(0, CAMERAS).includes(told().at);
    panes.camera.caption.textContent = film ? told().at : "camera";
    for (const name in panes) panes[name].figure.hidden = !shown[name];
    panes.processed.figure.hidden = !shown.processed || !network;
    switches[1].hidden = !network;
  }

  // The camera of the browser.
  const BROWSER = told().sources[0];
  const video = element("video", { muted: true, playsInline: true });
  const grabbed = document.createElement("canvas");
  let stream = null;
  async function open() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error(INSECURE);
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 960 }, height: { ideal: 540 } } });
    } catch (error) {
      throw new Error(REFUSED[error.name] ?? `The camera could not be opened (${error.message || error.name}).`);
    }
    stream.getVideoTracks()[0].onended = () => { halt(); say("The camera is gone: connect it, then press Start.", true); };
    video.srcObject = stream;
    await video.play();
  }
  async function grab() {
    const { size = 256, crop = 1 } = told().settings;
    const [wide, tall] = [video.videoWidth, video.videoHeight];
    const scale = Math.min(1, LARGEST / Math.min(wide, tall), size / crop / Math.min(wide, tall));
    [grabbed.width, grabbed.height] = [Math.round(wide * scale), Math.round(tall * scale)];
    grabbed.getContext("2d").drawImage(video, 0, 0, grabbed.width, grabbed.height);
    const blob = await new Promise((done) => grabbed.toBlob(done, "image/jpeg", 0.9));
    if (blob && shown.camera) paint("camera", grabbed);
    return blob ? [await blob.arrayBuffer()] : null;
  }

  // One picture after another: the newest, as soon as there is room.
  let running = false, session = 0, flying = 0, number = 0, watch = 0;
  const sent = new Map(), drawn = [];
  async function begin() {
    if (running) return;
    running = true;
    const mine = ++session;
    [start.textContent, flying] = ["Stop", 0];
    sent.clear();
    drawn.length = 0;
    say("");
    try {
      if (at.value === BROWSER) await open();
    } catch (error) {
      if (mine === session) { halt(); say(error.message, true); }
      return;
    }
    if (mine !== session) return;
    if (stream) onFrame(mine);
    else for (let k = 0; k < AHEAD; k++) next(mine);
  }
  function onFrame(mine) {
    if (mine !== session || !stream) return;
    if (flying < AHEAD) next(mine);
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(() => onFrame(mine));
    else requestAnimationFrame(() => onFrame(mine));
  }
  async function next(mine) {
    flying += 1;
    const when = performance.now(), pictures = stream ? await grab() : [];
    if (mine !== session) return;
    if (!pictures) { flying -= 1; return; }
    sent.set(++number, when);
    const wanted = Object.keys(panes).filter((name) => shown[name] && !(stream && name === "camera"));
    ask("see", { number, panes: wanted }, pictures);
    clearTimeout(watch);
    watch = setTimeout(() => say(LATE, true), SILENT);
  }
  function halt() {
    running = false;
    session += 1;
    clearTimeout(watch);
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    start.textContent = "Start";
    rate.textContent = "";
    ask("stop");
  }

  function paint(name, picture) {
    const { canvas } = panes[name];
    if (canvas.width !== picture.width || canvas.height !== picture.height)
      [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext("2d").drawImage(picture, 0, 0);
  }
  async function heard(message, buffers) {
    if (message.said !== undefined) say(message.said, Boolean(message.wrong));
    if (message.kept) show(message);
    if (message.number === undefined) return;
    clearTimeout(watch);
    if (says.textContent === LATE) say("");
    if (message.wrong) { if (sent.has(message.number)) halt(); return; }
    const when = sent.get(message.number), mine = session;
    if (when === undefined) return; // asked for before a stop
    sent.delete(message.number);
    flying -= 1;
    if (!stream && running) next(mine);
    const pictures = await Promise.all(buffers.map((part) => createImageBitmap(new Blob([part], { type: "image/jpeg" }))));
    message.panes.forEach((name, k) => paint(name, pictures[k]));
    panes.seen.caption.textContent = message.captions.filter(Boolean).join("; ") || "seen";
    if (mine === session) tell(performance.now() - when);
  }
  function tell(latency) {
    drawn.push(performance.now());
    if (drawn.length > MEAN) drawn.shift();
    const span = drawn.at(-1) - drawn[0];
    if (span > 0) rate.textContent = `${((drawn.length - 1) * 1000 / span).toFixed(1)} pictures/s, ${Math.round(latency)} ms behind`;
    el.dataset.drawn = String(Number(el.dataset.drawn ?? 0) + 1);
  }
  function show({ kept: path, url }) {
    kept.replaceChildren(element("span", { textContent: path }));
    if (url) kept.append(named(element("video", { controls: true, src: url }), "the recording"));
  }

  el.classList.add("live");
  for (const kind of ["keydown", "keyup"]) el.addEventListener(kind, keepKeys);
  el.replaceChildren(style,
    element("div", { className: "bar" }, start, element("label", {}, "Look through ", through), element("label", {}, "at ", at), freeze, record, whole, rate),
    element("div", { className: "panes" }, ...Object.values(panes).map((pane) => pane.figure)),
    element("div", { className: "bar" }, "Panes:", ...switches), says, controls, kept);
  draw();
  say("Press Start.");
  model.on("change:told", draw);
  model.on("msg:custom", heard);
  return () => { halt(); model.off("change:told", draw); model.off("msg:custom", heard); };
}

export default { render };
