// What a map drawn by plotly does for hands and keys: a card beside the shot that is pointed at,
// and every shot within reach of the arrows.

// `fill` writes a row's card; `pick` is told of a row that was clicked, or reached and Enter pressed;
// `toggle`, if given, of one on which Space was pressed.
function attend(plot, fill, pick, toggle) {
  const card = element("div", { className: "lab-card", hidden: true });
  card.setAttribute("role", "status"); // spoken when it changes
  Object.assign(card.style, {
    position: "fixed", zIndex: 10000, pointerEvents: "none", width: "330px", padding: "5px",
    font: "12px sans-serif", color: "#eee", background: "#202124", border: "1px solid #777",
  });
  document.body.append(card);
  let here = null; // the row that the keys are at: places change when the map is drawn anew

  function show(row, left, top) {
    card.dataset.row = row;
    fill(row, card);
    card.hidden = false;
    card.style.left = `${Math.min(left + 14, window.innerWidth - 350)}px`;
    card.style.top = `${Math.max(4, Math.min(top + 14, window.innerHeight - 260))}px`;
  }

  function spot(trace, point) { // where a shot is in the window, in pixels
    const { xaxis, yaxis } = plot._fullLayout, data = plot._fullData[trace];
    const box = plot.getBoundingClientRect();
    return [box.left + xaxis._offset + xaxis.d2p(data.x[point]),
            box.top + yaxis._offset + yaxis.d2p(data.y[point])];
  }

  function every() { // all shots that are shown: row, and where it is
    return plot._fullData.flatMap((data, trace) =>
      data.visible === true && data.customdata
        ? Array.from(data.customdata, (row, point) => [row, ...spot(trace, point)]) : []);
  }

  // The nearest shot that lies in a direction, or, from nowhere, nearest to the middle.
  function next(key) {
    const shown = every(), from = shown.find(([row]) => row === here);
    const box = plot.getBoundingClientRect();
    const [, x, y] = from || [here, box.left + box.width / 2, box.top + box.height / 2];
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] || [0, 0];
    let best = from, least = Infinity;
    for (const one of shown) {
      const [, left, top] = one;
      const along = (left - x) * dx + (top - y) * dy, apart = Math.hypot(left - x, top - y);
      if (from && (along < 1 || along < 0.6 * apart)) continue;
      if (apart < least) [best, least] = [one, apart];
    }
    return best;
  }

  const hovered = (event) => {
    const at = event.points.find((one) => one.customdata !== undefined);
    if (at) show(at.customdata, event.event.clientX, event.event.clientY);
  };
  const left = () => { card.hidden = true; };
  const clicked = (event) => {
    const at = event.points.find((one) => one.customdata !== undefined);
    if (at) pick(at.customdata);
  };
  const pressed = (event) => {
    if (event.key.startsWith("Arrow")) {
      const reached = next(event.key);
      if (reached) {
        here = reached[0];
        show(...reached);
      }
    } else if (event.key === "Enter" && here !== null) pick(here);
    else if (event.key === " " && here !== null && toggle) toggle(here);
    else if (event.key === "Escape") { here = null; left(); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  plot.on("plotly_hover", hovered);
  plot.on("plotly_unhover", left);
  plot.on("plotly_click", clicked);
  plot.tabIndex = 0;
  plot.setAttribute("role", "application");
  plot.setAttribute("aria-label", "map of shots: arrows go from shot to shot, Enter plays one");
  plot.addEventListener("keydown", pressed);
  plot.addEventListener("blur", left);
  return () => {
    for (const name of ["hover", "unhover", "click"]) plot.removeAllListeners?.(`plotly_${name}`);
    plot.removeEventListener("keydown", pressed);
    plot.removeEventListener("blur", left);
    card.remove();
  };
}
