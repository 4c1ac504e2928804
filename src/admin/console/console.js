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
