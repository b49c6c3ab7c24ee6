// Choosing an engine in a legend dims the others in every picture; choosing it again undoes that.
for (const entry of document.querySelectorAll(".legend li")) {
  const toggle = () => {
    const chosen = document.body.dataset.engine === entry.dataset.engine ? "" : entry.dataset.engine;
    document.body.dataset.engine = chosen;
    document.body.classList.toggle("lit", chosen !== "");
    for (const mark of document.querySelectorAll(".m, .legend li")) {
      const own = mark.dataset.engine ?? mark.getAttribute("class").split(" ")[1];
      mark.classList.toggle("on", own === chosen);
    }
    for (const other of document.querySelectorAll(".legend li")) {
      other.setAttribute("aria-pressed", String(other.dataset.engine === chosen));
    }
  };
  entry.tabIndex = 0;
  entry.setAttribute("role", "button");
  entry.setAttribute("aria-pressed", "false");
  entry.addEventListener("click", toggle);
  entry.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      toggle();
    }
  });
}
document.body.classList.add("scripted");
