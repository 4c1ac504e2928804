// What the console does beyond showing pages. Everything can be read and sent without it.
"use strict";

// Copies the text of the element that a button names.
function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.onclick = async () => {
      const text = document.getElementById(button.dataset.copy).textContent;
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    };
  }
}

// Takes over the parts of the page that are different now, but none in which somebody is at work.
async function bringUpToDate() {
  const answer = await fetch(location.href, { headers: { "X-Live": "1" }, redirect: "manual" });
  if (!answer.ok) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let changed = false;
  for (const part of document.querySelectorAll("[data-part]")) {
    const now = fresh.getElementById(part.id);
    if (!now || part.dataset.shown === now.innerHTML) continue;
    const active = part.contains(document.activeElement) || part.querySelector("details[open]");
    if (active) continue;
    part.innerHTML = now.innerHTML;
    part.dataset.shown = now.innerHTML;
    offerCopies(part);
    changed = true;
  }
  return changed;
}

// Follows what the server tells, one look at a time.
function follow(path) {
  const said = document.getElementById("live");
  let looking = false;
  let again = false;
  const look = async (event) => {
    again = event.type === "changed" || again;
    if (looking) return;
    looking = true;
    const tell = again;
    again = false;
    try {
      if ((await bringUpToDate()) && tell) said.textContent = "Brought up to date " + new Date().toISOString().slice(11, 19) + ".";
    } catch {
      said.textContent = "The bridge does not answer.";
    }
    looking = false;
    if (again) look({ type: "changed" });
  };
  const source = new EventSource(path);
  source.addEventListener("changed", look);
  source.addEventListener("aged", look);
  source.addEventListener("open", () => document.documentElement.setAttribute("data-live", "on"));
  addEventListener("pagehide", () => source.close());
}

// Puts a file that is dropped or chosen into the field it belongs to.
function offerFiles() {
  for (const chooser of document.querySelectorAll("input[type=file][data-into]")) {
    const field = document.getElementById(chooser.dataset.into);
    const take = async (file) => {
      if (file) field.value = await file.text();
    };
    chooser.closest("[hidden]").hidden = false;
    chooser.onchange = () => take(chooser.files[0]);
    field.ondragover = (event) => event.preventDefault();
    field.ondrop = (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      take(event.dataTransfer.files[0]);
    };
  }
}

offerCopies(document);
offerFiles();
if (document.body.dataset.live) follow(document.body.dataset.live);
