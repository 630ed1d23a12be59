// Hardware of this machine, or with `machine` of another one, through management controllers: sensors, event log and power.
import { useEffect, useState } from "preact/hooks";
import { pathOf, queryWmi } from "./api.js";
import { change } from "./elevation.js";
import { Heading, Problem, Table, Waiting, html, time, useData } from "./router.js";
import { actions, dialog, hasRole, notice } from "./state.js";

const namespace = "root/hardware";

/** Returns the rows of a query, from all pages up to a number of rows. */
async function rowsOf(machine, query, most = 2000) {
  const rows = [];
  let cursor = null;
  do {
    const body = cursor ? { namespace, cursor, limit: 500 } : { namespace, query, limit: 500 };
    const page = await queryWmi(body, machine);
    rows.push(...page.rows);
    cursor = page.next;
  } while (cursor && rows.length < most);
  return rows;
}

/** Names of CIM_NumericSensor.BaseUnits. */
const units = { 2: "°C", 3: "°F", 4: "K", 5: "V", 6: "A", 7: "W", 8: "J", 9: "C", 10: "VA", 19: "RPM", 20: "Hz", 21: "s", 65: "%" };

/** Returns a number of a sensor with its unit. */
function reading(value, { BaseUnits, UnitModifier }) {
  if (value === null || value === undefined) return "–";
  const number = value * 10 ** (UnitModifier ?? 0);
  return `${Number(number.toPrecision(5))} ${units[BaseUnits] ?? ""}`.trim();
}

/** Reading between its lowest and highest threshold. The table has the numbers. */
function Band({ sensor }) {
  const low = sensor.LowerThresholdCritical ?? sensor.LowerThresholdNonCritical ?? sensor.MinReadable;
  const high = sensor.UpperThresholdCritical ?? sensor.UpperThresholdNonCritical ?? sensor.MaxReadable;
  if (sensor.CurrentReading === null || low === null || high === null || high <= low) return null;
  return html`<meter min=${low} max=${high} low=${sensor.LowerThresholdNonCritical ?? low} high=${sensor.UpperThresholdNonCritical ?? high} value=${sensor.CurrentReading} aria-label=${`${sensor.ElementName} between its thresholds`}></meter>`;
}

const kindOf = (state) => ({ Normal: "ok", Unknown: "" })[state] ?? "error";

function Sensors({ sensors }) {
  const [filter, setFilter] = useState("");
  const text = filter.toLowerCase();
  const order = (sensor) => ({ error: 0, ok: 1, "": 2 })[kindOf(sensor.CurrentState)];
  const shown = sensors.filter((sensor) => sensor.ElementName.toLowerCase().includes(text)).sort((one, other) => order(one) - order(other));
  return html`<h2>Sensors</h2>
    <label>Filter<input type="search" value=${filter} onInput=${(event) => setFilter(event.target.value)} /></label>
    <${Table} caption="Sensors" rows=${shown} empty="There is no sensor." columns=${[
      ["Sensor", (sensor) => sensor.ElementName],
      ["Machine", (sensor) => sensor.SystemName],
      ["State", (sensor) => html`<span class=${`badge ${kindOf(sensor.CurrentState)}`}>${sensor.CurrentState}</span>`],
      ["Reading", (sensor) => ("CurrentReading" in sensor ? reading(sensor.CurrentReading, sensor) : ""), true],
      ["Range", (sensor) => ("CurrentReading" in sensor ? html`<${Band} sensor=${sensor} />` : "")],
      ["Lower limits", (sensor) => limits(sensor, "Lower"), true],
      ["Upper limits", (sensor) => limits(sensor, "Upper"), true],
    ]} />`;
}

/** Returns the thresholds of one side: warning, critical and fatal. */
function limits(sensor, side) {
  const values = ["NonCritical", "Critical", "Fatal"].map((level) => sensor[`${side}Threshold${level}`]);
  return values.filter((value) => value !== null && value !== undefined).map((value) => reading(value, sensor)).join(" / ");
}

/** Returns the fields of a record of an event log: names from its format, such as `*string name*`, and values. */
function fieldsOf({ RecordFormat, RecordData }) {
  const parts = (text) => (text ?? "").split("*").slice(1);
  const names = parts(RecordFormat).map((part) => part.trim().split(/\s+/).pop());
  return parts(RecordData).map((value, at) => [names[at] ?? "", value]).filter(([, value]) => value !== "");
}

function Records({ records }) {
  const sorted = [...records].sort((one, other) => Number(other.RecordID) - Number(one.RecordID));
  return html`<h2>Event log</h2>
    <${Table} caption="Event log" rows=${sorted.slice(0, 500)} empty="The event log is empty." columns=${[
      ["Record", (record) => record.RecordID, true],
      ["Time", (record) => (Number.isNaN(Date.parse(record.MessageTimestamp)) ? record.MessageTimestamp : time(record.MessageTimestamp))],
      ["Log", (record) => record.LogName],
      ["Data", (record) => html`<span>${fieldsOf(record).map(([name, value]) => html`<span class="pair"><span class="quiet">${name}</span> ${value}</span> `)}</span>`],
    ]} />`;
}

/** Actions on the power of a machine: label, state of RequestStateChange, and effect. */
const powers = [
  ["Power on", 2, "The machine starts."],
  ["Shut down", 4, "The operating system is asked to shut down."],
  ["Power off", 3, "The power is cut at once; unsaved data is lost."],
  ["Power cycle", 10, "The power is cut and switched on again; unsaved data is lost."],
  ["Reset", 11, "The processor is reset at once; unsaved data is lost."],
];

/** Asks for the name of the machine before its power is switched. */
function Power({ machine, system, label, state, effect, done }) {
  const [error, setError] = useState(null);
  const [typed, setTyped] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    if (typed !== system.values.Name) return;
    try {
      const body = { path: system.path, arguments: { RequestedState: state } };
      const { value } = await change("POST", `${pathOf(machine)}/wmi/namespaces/root%2Fhardware/classes/ComputerSystem/methods/RequestStateChange`, { body });
      const result = value.output.ReturnValue;
      dialog.value = null;
      notice.value = result === 0 ? { kind: "ok", text: `${label}: ${system.values.Name} has accepted it.` } : { kind: "error", text: `${label}: ${system.values.Name} returned ${result}.` };
      done();
    } catch (failure) {
      notice.value = { kind: "error", text: failure.message };
      setError(failure);
    }
  };
  return html`<form onSubmit=${submit}>
    <h2 id="dialog-title">${label}: ${system.values.Name}</h2>
    <p class="warning">${effect}</p>
    <label>Type the name of the machine to confirm<input name="confirmation" autocomplete="off" value=${typed} onInput=${(event) => setTyped(event.target.value)} placeholder=${system.values.Name} autofocus /></label>
    <${Problem} error=${error} />
    <p class="buttons"><button class="danger" disabled=${typed !== system.values.Name}>${label}</button> <button type="button" onClick=${() => (dialog.value = null)}>Cancel</button></p>
  </form>`;
}

export function Hardware({ machine }) {
  const systems = useData(() => rowsOf(machine, "SELECT * FROM ComputerSystem"), [machine], 30000);
  const sensors = useData(() => rowsOf(machine, "SELECT * FROM CIM_Sensor"), [machine], 30000);
  const records = useData(() => rowsOf(machine, "SELECT * FROM LogRecord"), [machine]);
  const powered = (systems.data ?? []).filter((row) => !row.values.Name.includes(":"));
  useEffect(() => {
    if (!hasRole("administrator")) return;
    actions.value = powered.flatMap((system) => powers.map(([label, state, effect]) => ({
      label: powered.length > 1 ? `${label}: ${system.values.Name}` : label,
      kind: "danger",
      run: () => (dialog.value = html`<${Power} machine=${machine} system=${system} label=${label} state=${state} effect=${effect} done=${systems.reload} />`),
    })));
  }, [systems.data]);
  if (!systems.data) return html`<${Heading}>Hardware<//><${Waiting} error=${systems.error} />`;
  return html`
    <${Heading} detail="Sensors, event log and power through management controllers (IPMI).">Hardware<//>
    <${Problem} error=${systems.error ?? sensors.error} />
    ${systems.data.length === 0
      ? html`<p>No management controller is known. The command <code>telarch ipmi hosts add</code> adds one; the controller of this machine is used if its driver is loaded.</p>`
      : html`<${Table} caption="Machines" rows=${systems.data.map((row) => row.values)} columns=${[
          ["Name", (one) => one.Name],
          ["Description", (one) => one.Description],
          ["State", (one) => ({ 2: "on", 3: "off", 10: "updating" })[one.EnabledState] ?? "unknown"],
          ["Status", (one) => html`<span class=${`badge ${one.Status === "OK" ? "ok" : ""}`}>${one.Status ?? "–"}</span>`],
        ]} />
        ${sensors.data ? html`<${Sensors} sensors=${sensors.data.map((row) => row.values)} />` : html`<h2>Sensors</h2><${Waiting} error=${sensors.error} />`}
        ${records.data ? html`<${Records} records=${records.data.map((row) => row.values)} />` : html`<h2>Event log</h2><${Waiting} error=${records.error} />`}`}`;
}
