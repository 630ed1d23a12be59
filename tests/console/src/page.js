// Runs in every page before its own scripts: finds elements as users see them, and waits for conditions.
(() => {
  const selectors = {
    button: "button",
    field: "input, select, textarea",
    heading: "h1, h2",
    link: "a[href]",
  };
  // A page that has not changed for ten minutes hangs, also on a busy machine.
  const limit = 600000;

  const isVisible = (element) => element.checkVisibility({ visibilityProperty: true });
  const nameOf = (element) => element.computedName.replace(/ \(required\)$/, "");
  const scopes = (root, name) => [...root.querySelectorAll("[aria-label], fieldset, section")].filter((element) => nameOf(element) === name);

  /** Returns the visible element of a kind with a name. `SCOPE > NAME` is one inside an element with the name SCOPE. */
  function find(kind, path) {
    const names = path.split(" > ");
    const name = names.pop();
    // The last one is over the others.
    let roots = [[...document.querySelectorAll("dialog[open]")].at(-1) ?? document];
    for (const scope of names) roots = roots.flatMap((root) => scopes(root, scope));
    const elements = roots.flatMap((root) => [...root.querySelectorAll(selectors[kind])]);
    return elements.find((element) => isVisible(element) && nameOf(element) === name);
  }

  /** Returns the result of a condition as soon as it is neither false nor empty. */
  function until(condition, description) {
    return new Promise((resolve, reject) => {
      const events = ["focusin", "input", "change"];
      const finish = (settle, value) => {
        observer.disconnect();
        clearTimeout(timer);
        for (const event of events) removeEventListener(event, examine, true);
        settle(value);
      };
      const examine = () => {
        const result = condition();
        if (result) finish(resolve, result);
      };
      const observer = new MutationObserver(examine);
      const timer = setTimeout(() => finish(reject, new Error(`${description}\n${location.pathname}\n${document.body.innerText}`)), limit);
      observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
      for (const event of events) addEventListener(event, examine, true);
      examine();
    });
  }

  const waitFor = (kind, path) => until(() => find(kind, path), `there is no ${kind} "${path}"`);

  /** Returns whether a click of the mouse reaches an element, which is scrolled into view. */
  function isReachable(element) {
    element.scrollIntoView({ block: "center", behavior: "instant" });
    const { x, y, width, height } = element.getBoundingClientRect();
    return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
  }

  /** Clicks an element in the same task that has found it: the layout cannot change between the two. */
  async function click(kind, path) {
    const ready = () => {
      const element = find(kind, path);
      return element && !element.matches(":disabled") && isReachable(element) && element;
    };
    const element = await until(ready, `there is no ${kind} "${path}" that can be clicked`);
    element.focus();
    element.click();
  }

  /** Focuses a field and selects its text, so that typed text replaces it. */
  async function select(path) {
    const element = await waitFor("field", path);
    element.focus();
    element.select?.();
  }

  /** Chooses an option as a user does. */
  async function choose(path, label) {
    const element = await waitFor("field", path);
    const index = [...element.options].findIndex((option) => option.label === label);
    if (index < 0) throw new Error(`"${path}" has no option "${label}"`);
    element.selectedIndex = index;
    element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  globalThis.pageOfTest = { choose, click, find, select, until, waitFor };
})();
