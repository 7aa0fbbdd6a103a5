/* Light or dark, before anything is painted (so no module): what the user chose, else what the system says. */
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const set = () => {
    const theme = localStorage.getItem("studio.theme") ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("theme", { detail: theme }));
  };
  system.addEventListener("change", set);
  window.addEventListener("storage", set);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#theme")) return;
    localStorage.setItem("studio.theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    set();
  });
  set();
})();
