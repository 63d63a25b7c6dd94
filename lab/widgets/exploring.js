// The stage of lab.widgets.SceneExplorer: what is pointed at on the map, what plays, what is chosen.
// hover.js stands above.

const NINE = 9;

function render({ model, el }) {
  const films = () => model.get("films"), shot = (row) => model.get("shots")[row];
  const send = (act, row) => model.send({ do: act, ...(row !== undefined && { row }) });
  const picture = (row) => {
    const [film, index] = shot(row);
    return element("img", { src: `${films()[film].thumbnails}/${index}.jpg`, alt: "" });
  };
  const lines = (row) => model.get("texts")[row].map((line) => element("div", { textContent: line }));

  // A shot that plays over and over, between its own first and last frame.
  function playing(row, controls) {
    const [film, , start, end] = shot(row);
    const video = element("video", { muted: true, autoplay: true, playsInline: true, controls, preload: "auto" });
    video.src = `${films()[film].proxy}#t=${start},${end}`;
    video.dataset.row = row;
    const again = () => {
      if (video.currentTime < end - 0.02 && !video.ended) return;
      video.currentTime = start;
      video.play().catch(() => {}); // it may be taken away before it plays
    };
    video.ontimeupdate = video.onpause = again;
    if (controls) video.onpause = null; // a person may stop it
    return video;
  }

  const button = (label, press) => element("button", { textContent: label, onclick: press, className: "jupyter-button" });
  const large = element("div", { className: "large" });
  const grid = element("div", { className: "nine" });
  const count = element("span", { role: "status" });
  let rows = model.get("chosen"), page = 0;
  const bar = element("div", { className: "bar" },
    button("Earlier nine", () => turn(-1)), button("Later nine", () => turn(1)), count);
  const style = element("style", { textContent: `
    .exploring { font: 12px var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, #222); width: 420px }
    .exploring video, .lab-card img { width: 100%; background: #000; display: block }
    .exploring .large { min-height: 60px; margin-bottom: 6px }
    .exploring .nine { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; margin-top: 6px }
    .exploring .nine video { aspect-ratio: 16 / 9; object-fit: contain }
    .exploring .nine > * { cursor: pointer } .exploring .nine > :focus { outline: 2px solid #07f }
    .exploring .bar { display: flex; gap: 8px; align-items: center; flex-wrap: wrap }` });
  const root = element("div", { className: "exploring" }, large, bar, grid);
  root.dataset.lmSuppressShortcuts = "true";
  el.append(style, root);

  function play(row) {
    large.replaceChildren(playing(row, true), ...lines(row), element("div", { className: "bar" },
      button("More like this", () => send("like", row)), button("Put aside", () => send("aside", row))));
    model.set("playing", row);
    model.save_changes();
  }
  model.on("change:playing", () => {
    const row = model.get("playing"); // asked for from elsewhere, if it does not play yet
    if (row >= 0 && large.querySelector("video")?.dataset.row !== String(row)) play(row);
  });

  function turn(by) {
    const pages = Math.max(1, Math.ceil(rows.length / NINE));
    page = Math.min(Math.max(0, page + by), pages - 1);
    const some = rows.slice(page * NINE, (page + 1) * NINE);
    count.textContent = rows.length ? `${page * NINE + 1} to ${page * NINE + some.length} of ${rows.length} shots`
      : "Draw around shots, or click on a scene's name, to see nine at once.";
    grid.replaceChildren(...some.map((row) => {
      const cell = element("div", { tabIndex: 0, title: model.get("texts")[row].join("; "), onclick: () => play(row) }, playing(row, false));
      cell.setAttribute("role", "button");
      cell.setAttribute("aria-label", model.get("texts")[row].join("; "));
      cell.onkeydown = (event) => { if (event.key === "Enter") { play(row); event.stopPropagation(); } };
      return cell;
    }));
  }

  // Shown at once; the kernel, which may be at work, puts them in order.
  const choose = (some) => { rows = some; page = 0; turn(0); send("choose", some); };
  const rowsOf = (event) => event.points.map((one) => one.customdata).filter((row) => row !== undefined);
  let leave = null, plot = null;
  const selected = (event) => { if (event) choose(rowsOf(event)); };
  const named = (event) => { choose(Array.from(plot._fullData[event.curveNumber].customdata || [])); return false; };

  const toggle = (row) => choose(rows.includes(row) ? rows.filter((one) => one !== row) : [...rows, row]);

  // A picture that is dropped on the map is looked for.
  async function dropped(event) {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) model.send({ do: "picture", name: file.name }, undefined, [await file.arrayBuffer()]);
  }

  function find() { // the map is drawn by a widget of its own, sooner or later
    plot = document.querySelector(`.${model.get("plot")} .js-plotly-plot`);
    if (!plot || !plot._fullLayout || !plot.on) { waiting = setTimeout(find, 100); return; }
    leave = attend(plot, (row, card) => card.replaceChildren(picture(row), ...lines(row)), play, toggle);
    // Keys that the controls take are not JupyterLab's as well: an arrow on a slider is no leap to a heading.
    whole = root.closest(".lab-explorer");
    whole?.addEventListener("keydown", keepKeys);
    plot.ondragover = (event) => event.preventDefault();
    plot.ondrop = dropped;
    plot.on("plotly_selected", selected);
    plot.on("plotly_legendclick", named);
    root.dataset.ready = "true";
  }
  let whole = null, waiting = setTimeout(find, 0);
  model.on("change:chosen", () => { rows = model.get("chosen"); page = 0; turn(0); });
  turn(0);
  return () => { clearTimeout(waiting); whole?.removeEventListener("keydown", keepKeys); leave?.(); };
}

export default { render };
