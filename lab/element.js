// What every script here makes its elements with, and how keys stay with what they are pressed in.

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Keys that controls take are not JupyterLab's as well: an arrow on a slider is no leap to a heading.
const keepKeys = (event) => { if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); };

