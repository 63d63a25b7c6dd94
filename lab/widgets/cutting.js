// The strip of lab.widgets.CutStrip: draws what the model says, sends what a person does.

const WIDE = 4, TALL = 54, SCORE = 60; // pixels of a frame, of the pictures, of the score

function clock(seconds) {
  const minutes = Math.floor(seconds / 60);
  return `${minutes}:${(seconds - 60 * minutes).toFixed(2).padStart(5, "0")}`;
}

function address(bytes) {
  return URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
}

function render({ model, el }) {
  const send = (act, frame, to) => model.send({ do: act, ...(frame !== undefined && { frame }), ...(to !== undefined && { to }) });
  const button = (label, press) => element("button", { textContent: label, onclick: press, className: "jupyter-button" });
  const length = () => model.get("times").length;
  const place = (event) => {
    const box = inner.getBoundingClientRect();
    return model.get("first") + Math.max(0, Math.round((event.clientX - box.left) / WIDE));
  };

  const pictures = element("img", { alt: "pictures of the film, one a second", draggable: false });
  const canvas = element("canvas", { height: SCORE, title: "click to add a cut" });
  const marks = element("div", { className: "marks" });
  const inner = element("div", { className: "inner" }, pictures, canvas, marks);
  const scroller = element("div", { className: "scroller" }, inner);
  const where = element("span", {});
  const frame = element("input", { type: "number", min: 1, value: 1, ariaLabel: "frame" });
  const undo = button("Undo", () => send("undo"));
  const bar = element("div", { className: "bar" },
    button("Earlier", () => send("page", model.get("first") - 1)),
    button("Later", () => send("page", model.get("first") + length())),
    where,
    element("label", {}, "frame ", frame),
    button("Add a cut", () => { send("add", Number(frame.value)); send("look", Number(frame.value)); }),
    undo,
    button("Keep these cuts", () => send("keep")));
  const status = element("div", { className: "status", role: "status" });
  const near = element("img", { className: "near", hidden: true, alt: "frames about the cut; the fifth begins the new shot" });
  const style = element("style", { textContent: `
    .cutting { font: 13px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, #222) }
    .cutting .bar { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; margin-bottom: 6px }
    .cutting .bar input { width: 7em }
    .cutting .scroller { overflow-x: auto; border: 1px solid #8888; padding-top: 14px }
    .cutting .inner { position: relative; height: ${TALL + SCORE + 4}px }
    .cutting .inner > img, .cutting canvas { position: absolute; left: 0; max-width: none }
    .cutting .inner > img { height: ${TALL}px } .cutting canvas { top: ${TALL}px; cursor: crosshair }
    .cutting .mark { position: absolute; top: -12px; height: ${TALL + SCORE + 12}px; width: 11px;
      margin-left: -5px; padding: 0; border: 0; cursor: ew-resize; touch-action: none;
      background: linear-gradient(currentColor, currentColor) center / 2px 100% no-repeat,
                  linear-gradient(currentColor, currentColor) top / 11px 10px no-repeat; color: #d33 }
    .cutting .mark:focus { outline: 2px solid #07f }
    .cutting .near { max-width: 100%; margin-top: 6px } .cutting .status { min-height: 1.5em }` });
  el.append(style, element("div", { className: "cutting" }, bar, scroller, near, status));

  function draw() {
    const count = length(), first = model.get("first"), times = model.get("times");
    inner.style.width = canvas.style.width = `${count * WIDE}px`;
    canvas.width = count * WIDE;
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#8884"; // gradual change: a band with an edge; sharp change: a bar
    const bytes = (name) => { const v = model.get(name); return new Uint8Array(v.buffer, v.byteOffset, v.byteLength); };
    const score = bytes("score"), gradual = bytes("gradual");
    for (let k = 0; k < count; k++) {
      pen.fillStyle = "#8886";
      pen.fillRect(k * WIDE, SCORE - (gradual[k] / 255) * SCORE, WIDE, (gradual[k] / 255) * SCORE);
      pen.fillStyle = "#27c";
      pen.fillRect(k * WIDE, SCORE - (score[k] / 255) * SCORE, WIDE, (score[k] / 255) * SCORE);
    }
    pen.fillStyle = "#888";
    pen.fillText("likelihood of a cut (bars), of a slow transition (band)", 6, 10);
    where.textContent = `${clock(times[0])} to ${clock(times[count - 1])}, frames ${first} to ${first + count - 1} of ${model.get("count")}`;
    pictures.src = address(model.get("strip"));
    pictures.style.width = `${Math.ceil(count / model.get("step")) * model.get("step") * WIDE}px`;
    mark();
  }

  function mark() {
    const first = model.get("first"), last = first + length(), times = model.get("times");
    const focused = marks.contains(document.activeElement) ? Number(document.activeElement.dataset.frame) : null;
    marks.replaceChildren(...model.get("begins").filter((at) => at >= first && at < last).map((at) => {
      const one = element("button", { className: "mark", title: `cut at ${clock(times[at - first])}, frame ${at}` });
      one.dataset.frame = at;
      one.setAttribute("role", "slider");
      one.setAttribute("aria-label", `cut at ${clock(times[at - first])}`);
      one.setAttribute("aria-valuenow", at);
      one.style.left = `${(at - first) * WIDE}px`;
      one.onfocus = () => send("look", at);
      one.onkeydown = (event) => {
        const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key] * (event.shiftKey ? 10 : 1);
        if (by) { wanted = at + by; send("move", at, at + by); send("look", at + by); }
        else if (event.key === "Delete" || event.key === "Backspace") send("remove", at);
        else return;
        event.preventDefault();
        event.stopPropagation();
      };
      one.onpointerdown = (event) => {
        one.setPointerCapture(event.pointerId);
        one.onpointermove = (moved) => { one.style.left = `${(place(moved) - model.get("first")) * WIDE}px`; };
        one.onpointerup = (moved) => {
          one.onpointermove = one.onpointerup = null;
          const to = place(moved);
          if (to !== at) { wanted = to; send("move", at, to); send("look", to); }
        };
      };
      return one;
    }));
    // A cut that is moved keeps the focus.
    const keep = [...marks.children].find((one) => Number(one.dataset.frame) === (wanted ?? focused));
    if (keep && (focused !== null || wanted !== null)) keep.focus({ preventScroll: true });
    wanted = null;
    undo.disabled = !model.get("undoable");
  }

  let wanted = null;
  canvas.onclick = (event) => { send("add", place(event)); send("look", place(event)); };
  model.on("change:strip", draw);
  model.on("change:begins change:undoable", mark);
  model.on("change:status", () => { status.textContent = model.get("status"); });
  model.on("change:near", () => { near.src = address(model.get("near")); near.hidden = false; });
  draw();
}

export default { render };
