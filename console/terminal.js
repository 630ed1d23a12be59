// The page of the terminal: xterm.js over one WebSocket. Closing the page ends the shell.
import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { FitAddon } from "/vendor/xterm-addon-fit-0.11.0/addon-fit.mjs";
import { Terminal } from "/vendor/xterm-6.0.0/xterm.mjs";
import { currentSession } from "./api.js";
import { change } from "./elevation.js";
import { Problem, Waiting, html, useData } from "./router.js";
import { SignIn } from "./sign-in.js";
import { elevation, session } from "./state.js";

const dark = {
  background: "#1e2126", foreground: "#e6e9ee", cursor: "#79aef7", cursorAccent: "#1e2126", selectionBackground: "#3d5778",
  black: "#3a404a", red: "#ff9a91", green: "#6fd394", yellow: "#f0c36a", blue: "#79aef7", magenta: "#d7a6f5", cyan: "#6ccfd8", white: "#d5dae1",
  brightBlack: "#a3acb9", brightRed: "#ffb7b0", brightGreen: "#93e3b0", brightYellow: "#f7d894", brightBlue: "#a3c8fb", brightMagenta: "#e5c5fa", brightCyan: "#97e0e7", brightWhite: "#ffffff",
};
const light = {
  background: "#ffffff", foreground: "#1b1f24", cursor: "#1f5fbf", cursorAccent: "#ffffff", selectionBackground: "#b8d3f7",
  black: "#1b1f24", red: "#b3261e", green: "#146c37", yellow: "#7a4d00", blue: "#1f5fbf", magenta: "#7b2fa0", cyan: "#0b6470", white: "#566070",
  brightBlack: "#566070", brightRed: "#98201a", brightGreen: "#0f5a2d", brightYellow: "#664000", brightBlue: "#184e9e", brightMagenta: "#662487", brightCyan: "#08535d", brightWhite: "#1b1f24",
};
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const theme = () => (prefersDark.matches ? dark : light);

/** Bytes of output after which the page acknowledges them. The service sends 128 KiB without acknowledgement. */
const acknowledgeAfter = 32 * 1024;
/** Bytes of one message with input, and of one paste. */
const maxMessage = 32 * 1024;
const maxPaste = 512 * 1024;

/** Keys that touch screens lack: label, name of a label without words, and text that the shell receives. */
const keys = [
  ["Esc", null, "\x1b"],
  ["Tab", null, "\t"],
  ["Ctrl-C", null, "\x03"],
  ["Ctrl-D", null, "\x04"],
  ["↑", "Arrow up", "\x1b[A"],
  ["↓", "Arrow down", "\x1b[B"],
  ["←", "Arrow left", "\x1b[D"],
  ["→", "Arrow right", "\x1b[C"],
];

/** Connection of a terminal to a shell. `report` receives its state: `connecting`, `connected` or `closed`, with the reason. */
class Connection {
  constructor(terminal, report) {
    this.terminal = terminal;
    this.report = report;
    this.socket = null;
  }

  async open() {
    this.report({ name: "connecting" });
    let ticket;
    try {
      ticket = (await change("POST", "/terminals")).value.ticket;
    } catch (error) {
      this.report({ name: "refused", error });
      return;
    }
    const socket = new WebSocket(`wss://${location.host}/api/v1/terminals/socket`, ["telarch.terminal", ticket]);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let shown = 0;
    socket.onopen = () => {
      this.report({ name: "connected" });
      this.resize();
    };
    socket.onmessage = ({ data }) => {
      const bytes = new Uint8Array(data);
      this.terminal.write(bytes, () => {
        shown += bytes.length;
        if (shown < acknowledgeAfter) return;
        this.command({ acknowledged: shown });
        shown = 0;
      });
    };
    socket.onclose = ({ reason }) => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.report({ name: "closed", reason: reason || "the connection was lost" });
    };
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  command(value) {
    if (this.isOpen) this.socket.send(JSON.stringify(value));
  }

  resize() {
    this.command({ resize: [this.terminal.cols, this.terminal.rows] });
  }

  input(bytes) {
    if (!this.isOpen) return;
    for (let begin = 0; begin < bytes.length; begin += maxMessage) this.socket.send(bytes.subarray(begin, begin + maxMessage));
  }

  close() {
    this.socket?.close();
  }
}

/** Returns a terminal in an element, with its connection. */
function create(element, report, leave) {
  const terminal = new Terminal({
    theme: theme(),
    fontFamily: 'ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace',
    fontSize: 14,
    scrollback: 5000,
    minimumContrastRatio: 4.5,
    cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  const connection = new Connection(terminal, report);
  const encoder = new TextEncoder();
  terminal.onData((text) => {
    if (connection.isOpen) connection.input(encoder.encode(text));
    else if (text === "\r" && !connection.socket) connection.open();
  });
  // Reports of the mouse are bytes and no text.
  terminal.onBinary((text) => connection.input(Uint8Array.from(text, (one) => one.charCodeAt(0))));
  terminal.onResize(() => connection.resize());
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC") {
      if (event.type === "keydown" && terminal.hasSelection()) navigator.clipboard.writeText(terminal.getSelection());
      event.preventDefault();
      return false;
    }
    // The browser pastes.
    if (event.ctrlKey && event.shiftKey && event.code === "KeyV") return false;
    if (event.ctrlKey && event.key === "F6") {
      if (event.type === "keydown") leave();
      event.preventDefault();
      return false;
    }
    return true;
  });
  // Before xterm.js handles the event.
  element.addEventListener("paste", (event) => {
    const length = event.clipboardData?.getData("text").length ?? 0;
    if (length <= maxPaste) return;
    event.preventDefault();
    event.stopPropagation();
    terminal.write(`\r\n[not pasted: the text has ${length} characters, and ${maxPaste} are the limit; upload a file]\r\n`);
  }, true);
  terminal.open(element);
  const observer = new ResizeObserver(() => fit.fit());
  observer.observe(element);
  fit.fit();
  const recolor = () => (terminal.options.theme = theme());
  prefersDark.addEventListener("change", recolor);
  // A browser may keep a page that was left, with its connection, to show it again.
  const end = () => connection.close();
  addEventListener("pagehide", end);
  const dispose = () => {
    removeEventListener("pagehide", end);
    observer.disconnect();
    prefersDark.removeEventListener("change", recolor);
    connection.close();
    terminal.dispose();
  };
  return { terminal, connection, dispose };
}

const labels = { connecting: "Connecting…", connected: "Connected", closed: "Not connected", refused: "Not connected" };

function Page() {
  const [state, setState] = useState({ name: "connecting" });
  const [isRead, setRead] = useState(false);
  const screen = useRef(null);
  const first = useRef(null);
  const own = useRef(null);
  const { username, machine } = session.value;
  useEffect(() => {
    document.title = `Terminal – ${machine}`;
    own.current = create(screen.current, setState, () => first.current?.focus());
    own.current.terminal.focus();
    own.current.connection.open();
    return () => own.current.dispose();
  }, []);
  const again = () => {
    own.current.terminal.reset();
    own.current.terminal.focus();
    own.current.connection.open();
  };
  const read = () => {
    own.current.terminal.options.screenReaderMode = !isRead;
    setRead(!isRead);
    own.current.terminal.focus();
  };
  const press = (text) => {
    own.current.connection.input(new TextEncoder().encode(text));
    own.current.terminal.focus();
  };
  return html`<div class="terminal-page">
    <header class="bar">
      <img src="/favicon.svg" alt="" width="22" height="22" />
      <h1>Terminal</h1>
      <span class="user"><span class="name">${username}</span> <span class="quiet">on ${machine}</span></span>
      <span role="status" class=${state.name === "connected" ? "state badge ok" : "state badge"}>${labels[state.name]}</span>
      <button ref=${first} aria-pressed=${isRead} onClick=${read}>Screen reader</button>
      <a href="/">Console</a>
    </header>
    <main>
      ${state.name === "closed" && html`<div class="warning" role="alert"><span>Closed: ${state.reason}.</span> <button class="primary" onClick=${again}>New terminal</button></div>`}
      ${state.name === "refused" && html`<${Problem} error=${state.error} /><p><button class="primary" onClick=${again}>Try again</button></p>`}
      <div class="screen" ref=${screen}></div>
      <div class="keys" role="group" aria-label="Keys">
        ${keys.map(([label, name, text]) => html`<button aria-label=${name} onClick=${() => press(text)}>${label}</button>`)}
      </div>
    </main>
    <footer class="status"><span class="hints">Copy: Ctrl+Shift+C · Paste: Ctrl+Shift+V · Leave the terminal with the keyboard: Ctrl+F6 · </span>Closing this page ends the shell.</footer>
    <${Password} />
  </div>`;
}

/** The question for the password, over the page. */
function Password() {
  const element = useRef(null);
  const content = elevation.value?.content;
  useEffect(() => {
    if (content) element.current?.showModal();
  }, [content]);
  if (!content) return null;
  return html`<dialog ref=${element} aria-labelledby="elevation-title" onClose=${() => elevation.value?.cancel()}>${content}</dialog>`;
}

function App() {
  const loaded = useData(async () => (session.value = await currentSession()));
  if (session.value === undefined) return html`<main class="sign-in"><${Waiting} error=${loaded.error} /></main>`;
  return session.value ? html`<${Page} />` : html`<${SignIn} />`;
}

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
