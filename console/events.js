// Events of the logs of this machine, or with `machine` of another one, and sources of the collector.
import { useEffect, useState } from "preact/hooks";
import { follow, get, pathOf } from "./api.js";
import { Heading, Link, Problem, Table, Waiting, html, repeat, time, timeSpan, useData } from "./router.js";

const eventUrl = ({ channel, record }, machine) => `${pathOf(machine)}/events/${encodeURIComponent(channel)}/${record}`;
const kinds = { 1: "error", 2: "error", 3: "warn" };

function Level({ event }) {
  return html`<span class=${`badge ${kinds[event.level] ?? ""}`}>${event.level_name ?? `level ${event.level}`}</span>`;
}

function Rows({ machine, events }) {
  return html`<${Table} caption="Events" rows=${events} empty="No event matches." columns=${[
    ["Time", (event) => html`<${Link} to=${eventUrl(event, machine)}>${time(event.time)}<//>`],
    ["Level", (event) => html`<${Level} event=${event} />`],
    ["Source", (event) => event.provider],
    ["Event", (event) => event.event_id, true],
    ["Message", (event) => html`<span class="message">${event.message.slice(0, 300)}</span>`],
    ["Channel", (event) => event.channel],
  ]} />`;
}

/** Queries of the local logs, and those of other machines, which are read through WMI. */
const local = {
  about: "The journal and the audit log of this machine as events of Windows, the newest first.",
  label: "Query (XPath)",
  example: "*[System[Level<=3]]",
  missing: "This machine has neither a journal nor an audit log.",
};
const remote = {
  about: "The event logs of the machine, the newest first.",
  label: "Condition (WQL)",
  example: "EventType = 1 OR EventType = 2",
  missing: "The machine has no event log, or your account may not read it.",
};

/** Interval in milliseconds at which the newest events of another machine are read. */
const interval = 5000;

/** Returns events with new ones before them, each once. */
function merge(found, events) {
  const known = new Set(events.map(({ channel, record }) => `${channel} ${record}`));
  return [...found.filter(({ channel, record }) => !known.has(`${channel} ${record}`)), ...events].slice(0, 2000);
}

export function Events({ machine }) {
  const resource = `${pathOf(machine)}/events`;
  const { about, label, example, missing } = machine ? remote : local;
  const channels = useData(() => get(`${resource}/channels`), [resource]);
  const names = channels.data?.value.channels ?? [];
  const [channel, setChannel] = useState("");
  const [draft, setDraft] = useState("");
  const [query, setQuery] = useState("");
  const [isLive, setLive] = useState(false);
  const [state, setState] = useState({ events: [], next: null, isRead: false });
  const [error, setError] = useState(null);
  const read = async (cursor, before) => {
    try {
      const { value } = await get(resource, { channel, query, cursor, limit: 50 });
      setState({ events: [...before, ...value.events], next: value.next, isRead: true, hasLogs: value.has_logs });
      setError(null);
    } catch (failure) {
      setError(failure);
    }
  };
  useEffect(() => {
    setState({ events: [], next: null, isRead: false });
    read(undefined, []);
  }, [resource, channel, query]);
  const add = (found) => setState((old) => ({ ...old, events: merge(found, old.events) }));
  useEffect(() => {
    if (!isLive) return undefined;
    if (machine) {
      // An answer is ignored if the page shows something else meanwhile.
      let isCurrent = true;
      const stop = repeat(async () => {
        try {
          const { value } = await get(resource, { channel, query, limit: 50, only_first: true });
          if (!isCurrent) return;
          add(value.events);
          setError(null);
        } catch (failure) {
          if (isCurrent) setError(failure);
        }
      }, interval);
      return () => {
        isCurrent = false;
        stop();
      };
    }
    return follow(resource, { channel, query }, (source) => {
      source.onmessage = (event) => add([JSON.parse(event.data)]);
      source.addEventListener("failure", (event) => {
        setError(new Error(event.data));
        source.close();
      });
    });
  }, [isLive, resource, channel, query]);
  const search = (event) => {
    event.preventDefault();
    setQuery(draft);
  };
  const hasNoLogs = state.hasLogs === false || (machine && channels.data && !names.length);
  return html`
    <${Heading} detail=${about}>Events<//>
    <p class="links"><${Link} to=${`${resource}/collector`}>Collector<//>${!machine && html` <${Link} to="/events/forwarded">Forwarded events<//>`}</p>
    <form class="filters" onSubmit=${search}>
      <label>Channel<select value=${channel} onChange=${(event) => setChannel(event.target.value)}>
        <option value="">All</option>
        ${names.map((name) => html`<option selected=${name === channel}>${name}</option>`)}
      </select></label>
      <label>${label}<input value=${draft} onInput=${(event) => setDraft(event.target.value)} placeholder=${example} spellcheck="false" /></label>
      <p class="buttons"><button class="primary">Search</button> <button type="button" onClick=${() => { setDraft(example); setQuery(example); }}>Warnings and errors</button></p>
    </form>
    <label class="check"><input type="checkbox" checked=${isLive} onChange=${(event) => setLive(event.target.checked)} />Add new events as they are logged</label>
    <${Problem} error=${error} />
    ${hasNoLogs && html`<p class="warning">${missing}</p>`}
    ${state.isRead ? html`<${Rows} machine=${machine} events=${state.events} />` : !error && html`<p class="quiet" role="status">Loading…</p>`}
    ${state.next && html`<p><button onClick=${() => read(state.next, state.events)}>Older events</button></p>`}`;
}

export function Event({ machine, channel, record }) {
  const { data, error } = useData(() => get(`${pathOf(machine)}/events/records/${encodeURIComponent(channel)}/${record}`));
  if (!data) return html`<${Waiting} error=${error} />`;
  const { summary, event, xml } = data.value;
  const items = event.EventData ?? event.UserData ?? {};
  return html`
    <p class="links"><${Link} to=${`${pathOf(machine)}/events`}>Events<//></p>
    <${Heading} detail=${`${time(summary.time)}, ${summary.channel}, record ${summary.record}`}>${summary.provider}: event ${summary.event_id}<//>
    <p><${Level} event=${summary} /></p>
    ${summary.message && html`<pre tabindex="0" class="break" role="region" aria-label="Message">${summary.message}</pre>`}
    <h2>Fields</h2>
    <${Table} caption="Fields" rows=${Object.entries(items)} empty="The event has no fields." columns=${[
      ["Field", ([name]) => html`<code>${name}</code>`],
      ["Value", ([, value]) => html`<span class="break">${typeof value === "string" ? value : JSON.stringify(value)}</span>`],
    ]} />
    ${xml && html`<details><summary>XML</summary><pre tabindex="0" class="break" role="region" aria-label="XML">${xml}</pre></details>`}`;
}

/** The newest events of other machines that the collector has stored. */
export function ForwardedEvents() {
  const [source, setSource] = useState("");
  const [draft, setDraft] = useState("");
  const [query, setQuery] = useState("");
  const { data, error } = useData(() => get("/events/forwarded", { source, query }), [source, query], 10000);
  const search = (event) => {
    event.preventDefault();
    setQuery(draft);
  };
  const value = data?.value;
  return html`
    <p class="links"><${Link} to="/events">Events<//> <${Link} to="/events/collector">Collector<//></p>
    <${Heading} detail="Events of other machines that the collector of this machine has stored, the newest first.">Forwarded events<//>
    <form class="filters" onSubmit=${search}>
      <label>Source<select value=${source} onChange=${(event) => setSource(event.target.value)}>
        <option value="">All</option>
        ${(value?.sources ?? []).map((name) => html`<option selected=${name === source}>${name}</option>`)}
      </select></label>
      <label>${local.label}<input value=${draft} onInput=${(event) => setDraft(event.target.value)} placeholder=${local.example} spellcheck="false" /></label>
      <p class="buttons"><button class="primary">Search</button></p>
    </form>
    <${Problem} error=${error} />
    ${value ? html`<${Table} caption="Events" rows=${value.events} empty=${value.sources.length ? "No event matches." : "No source has sent an event yet."} columns=${[
      ["Time", (event) => time(event.time)],
      ["Computer", (event) => event.computer ?? event.source],
      ["Level", (event) => html`<${Level} event=${event} />`],
      ["Source", (event) => event.provider],
      ["Event", (event) => event.event_id, true],
      ["Message", (event) => html`<details><summary class="message">${event.message.slice(0, 300) || "Event"}</summary><pre tabindex="0" class="break" role="region" aria-label="XML">${event.xml}</pre></details>`],
      ["Channel", (event) => event.channel],
    ]} />` : !error && html`<p class="quiet" role="status">Loading…</p>`}
    ${value?.is_cut && html`<p class="quiet">Older events were not examined. <code>wevtutil qe ForwardedEvents</code> on this machine reads all.</p>`}`;
}

/** Returns how long ago something happened. */
const ago = (seconds) => (seconds === null ? "never" : `${timeSpan(seconds)} ago`);

export function Collector() {
  const { data, error } = useData(() => get("/events/collector"), [], 10000);
  const way = html`<p class="links"><${Link} to="/events">Events<//></p>`;
  if (data && !data.value.has_store) return html`${way}<${Heading}>Collector<//><p>This machine collects no events of other machines. The setting <code>EventCollector</code> of the WS-Management service enables it.</p>`;
  if (!data) return html`${way}<${Heading}>Collector<//><${Waiting} error=${error} />`;
  const { subscriptions, sources } = data.value;
  return html`${way}
    <${Heading} detail="Events that other machines forward to this one.">Collector<//>
    <h2>Subscriptions</h2>
    <${Table} caption="Subscriptions" rows=${subscriptions} empty="There is no subscription." columns=${[
      ["Name", (one) => one.name],
      ["State", (one) => html`<span class=${one.is_present ? "badge ok" : "badge"}>${one.is_present ? "loaded" : "removed"}</span>`],
      ["Sources", (one) => sources.filter((source) => source.subscription === one.name).length, true],
    ]} />
    <h2>Sources</h2>
    <${Table} caption="Sources" rows=${sources} empty="No source has sent a message yet." columns=${[
      ["Source", (one) => one.source],
      ["Subscription", (one) => one.subscription],
      ["Last contact", (one) => ago(one.state.seconds_since_contact)],
      ["Last events", (one) => ago(one.state.seconds_since_events)],
      ["Batches", (one) => one.state.batches, true],
      ["Address", (one) => one.state.address],
      ["Fault", (one) => one.state.last_fault],
    ]} />`;
}
