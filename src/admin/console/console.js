// What the console does beyond showing pages. Everything can be read and sent without it.
"use strict";

// What each part of the page was made from, before anything here changes it.
const shown = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part, part.innerHTML]));

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

// The text of a file as its byte order mark or its declaration has it, to be looked at only: the bridge
// reads the bytes themselves.
function textOf(bytes) {
  const head = new TextDecoder("iso-8859-1").decode(bytes.slice(0, 200)).replaceAll("\0", "");
  const marks = { "\xff\xfe": "utf-16le", "\xfe\xff": "utf-16be", "<?xml": head.match(/encoding\s*=\s*["']([\w.-]+)/)?.[1] };
  const found = Object.keys(marks).find((mark) => head.startsWith(mark));
  const wide = bytes[0] === 0x3c && bytes[1] === 0 ? "utf-16le" : bytes[0] === 0 && bytes[1] === 0x3c ? "utf-16be" : undefined;
  try {
    return new TextDecoder(wide ?? marks[found] ?? "utf-8").decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

// Puts a file that is dropped or chosen into the field it belongs to, and its bytes beside it, which
// count until the text is changed.
function offerFiles() {
  for (const chooser of document.querySelectorAll("input[type=file][data-into]")) {
    const field = document.getElementById(chooser.dataset.into);
    const kept = document.getElementById("bytes");
    const keep = (bytes) => {
      kept.value = bytes;
      document.getElementById("as-it-is").hidden = !bytes;
    };
    const take = async (file) => {
      if (!file) return;
      const bytes = new Uint8Array(await file.arrayBuffer());
      field.value = textOf(bytes);
      keep(base64(bytes));
    };
    chooser.closest("[hidden]").hidden = false;
    chooser.onchange = () => take(chooser.files[0]);
    field.oninput = () => keep("");
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
document.getElementById("here")?.scrollIntoView({ block: "nearest" });
