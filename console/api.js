// Requests to the API.
import { session } from "./state.js";

/** A failed request: `problem` is the description of RFC 9457. */
export class Failure extends Error {
  constructor(status, problem, retryAfter = null) {
    super(problem.detail ?? `The server answered ${status}`);
    this.status = status;
    this.problem = problem;
    /** Seconds after which the request can be repeated, if the server names them. */
    this.retryAfter = Number(retryAfter) || null;
  }
}

/** Aborts the running requests that only read, at the end of a session. */
let reads = new AbortController();

/**
 * Sends a request with a JSON `body` or with `bytes`, and returns `{value, tag}`: the JSON of the response and its ETag.
 * A session that has ended leads back to the sign-in page.
 * A request that only reads and that `abortReads` ended never settles, so its page shows no error before it is replaced.
 */
export async function send(method, resource, { body, bytes, tag, query, onlyReads = method === "GET" } = {}) {
  const headers = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (bytes !== undefined) headers["content-type"] = "application/octet-stream";
  if (tag) headers["if-match"] = tag;
  if (method !== "GET" && session.value?.csrf_token) headers["x-csrf-token"] = session.value.csrf_token;
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "") parameters.set(name, value);
  }
  const suffix = parameters.size ? `?${parameters}` : "";
  const signal = onlyReads ? reads.signal : undefined;
  let response;
  let text;
  try {
    response = await fetch(`/api/v1${resource}${suffix}`, {
      method,
      headers,
      body: body === undefined ? bytes : JSON.stringify(body),
      signal,
    });
    text = await response.text();
  } catch {
    if (signal?.aborted) return new Promise(() => {});
    throw new Failure(0, { detail: "The server does not answer. Check the network and try again." });
  }
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = { detail: `The server answered ${response.status} without a readable body.` };
  }
  if (!response.ok) {
    // A wrong password ends no session.
    if (response.status === 401 && value?.type !== "urn:telarch:problem:sign-in-failed") rememberSession(null);
    throw new Failure(response.status, value ?? {}, response.headers.get("retry-after"));
  }
  return { value, tag: response.headers.get("etag") };
}

export const get = (resource, query) => send("GET", resource, { query });

/** Returns the beginning of the paths of a machine, of the API and of pages: empty for this machine. */
export const pathOf = (machine) => (machine ? `/machines/${machine}` : "");

/** Runs a WQL query on this machine, or on another one, or returns its next page. */
export const queryWmi = async (body, machine) => (await send("POST", `${pathOf(machine)}/wmi/query`, { body, onlyReads: true })).value;

/** Streams of events that are open. */
const streams = new Set();

/** Opens a stream of events of the server, calls `use` with its EventSource, and returns a function that closes it. */
export function follow(resource, query, use) {
  const source = new EventSource(`/api/v1${resource}?${new URLSearchParams({ ...query, follow: "true" })}`);
  streams.add(source);
  use(source);
  return () => {
    source.close();
    streams.delete(source);
  };
}

/** Time in milliseconds after which a stream of events that failed is opened again. */
const reopenTime = 10000;

/**
 * Opens a stream of events, and opens it again after it has failed. `receive` gets each message, and `lose` is called when
 * the stream is interrupted. Returns a function that closes it.
 */
export function followAgain(resource, receive, lose) {
  let timer = null;
  let close = null;
  const open = () => {
    timer = null;
    close = follow(resource, {}, (source) => {
      const fail = () => {
        lose();
        close();
        timer ??= setTimeout(open, reopenTime);
      };
      source.onmessage = receive;
      // The browser connects again by itself after an interruption, but not after an answer that is no stream.
      source.onerror = () => (source.readyState === EventSource.CLOSED ? fail() : lose());
      source.addEventListener("failure", fail);
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    close();
  };
}

/** Aborts the running requests that only read, and every later one until the next sign-in; closes the streams of events. */
export function abortReads() {
  reads.abort();
  // Otherwise the browser would open them again, without a session.
  for (const source of streams) source.close();
  streams.clear();
}

/** Remembers whether this browser has signed in, so that a first visit sends no request that must fail. */
export function rememberSession(value) {
  if (value) reads = new AbortController();
  session.value = value;
  if (value) localStorage.setItem("signed-in", "yes");
  else localStorage.removeItem("signed-in");
}

/** Returns the session of the browser, or null. */
export async function currentSession() {
  // A link to the new address of the service, which the storage does not know.
  const isContinued = location.hash === "#session";
  if (isContinued) history.replaceState(null, "", location.pathname);
  if (!isContinued && !localStorage.getItem("signed-in")) return null;
  try {
    const { value } = await send("GET", "/session");
    localStorage.setItem("signed-in", "yes");
    return value;
  } catch (failure) {
    if (failure.status === 401) return null;
    throw failure;
  }
}
