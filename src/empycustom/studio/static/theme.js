/* Light or dark, before anything is painted (so no module): what the user chose, else what the system says. */
(() => {
  let chosen = null; // where the browser keeps nothing
  const kept = () => {
    try {
      return localStorage.getItem("studio.theme");
    } catch {
      return chosen;
    }
  };
  const keep = (theme) => {
    chosen = theme;
    try {
      localStorage.setItem("studio.theme", theme);
    } catch {
      // it is not remembered
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const set = () => {
    const theme = kept() ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("theme", { detail: theme }));
  };
  system.addEventListener("change", set);
  window.addEventListener("storage", set);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("#theme")) return;
    keep(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    set();
  });
  set();
})();
