"use strict";
// Draws /v1/board. Names come from routers: they are only ever set as text, never as markup.

const SPANS = ["15m", "1h", "6h", "24h", "7d", "30d"];
const EVERY_MS = {"15m": 1000, "1h": 1000, "6h": 2000, "24h": 4000, "7d": 12000, "30d": 12000};
const TIERS = ["oss", "mid", "frontier"];
const KIND = {
  loop: "runaway loop", retry_storm: "retry storm", fan_out: "sub-agent explosion", context_growth: "context growth",
  spend_spike: "spend spike", stuck_run: "stuck run", silent_agent: "silent agent", cardinality: "cardinality bomb",
  unusual: "unusual hour",
};
const $ = id => document.getElementById(id);
let span = SPANS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "1h";
let token = sessionStorage.getItem("spendstream-token") || "";
let timer = 0, asked = 0, chart = null, drawn = "", last = null;

function make(tag, name, text) {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (text !== undefined) node.textContent = text;
  return node;
}

function usd(text) {
  const value = Number(text), size = Math.abs(value);
  const places = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 3 : 5;
  return "$" + value.toLocaleString("en-US", {minimumFractionDigits: Math.min(2, places), maximumFractionDigits: places});
}

function count(value) {
  if (value < 10000) return value.toLocaleString("en-US");
  const [size, unit] = value >= 1e9 ? [1e9, " G"] : value >= 1e6 ? [1e6, " M"] : [1e3, " k"];
  return (value / size).toFixed(value / size < 100 ? 1 : 0) + unit;
}

function seconds(ms) {
  return ms === null ? "–" : ms < 1000 ? Math.round(ms) + " ms" : (ms / 1000).toFixed(1) + " s";
}

function ago(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 90 ? s + " s" : s < 5400 ? Math.round(s / 60) + " min" : s < 172800 ? Math.round(s / 3600) + " h"
    : Math.round(s / 86400) + " days";
}

function colour(tier) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + (TIERS.includes(tier) ? tier : "unknown")).trim();
}

function instant(ms) {
  return new Date(ms).toISOString().replace("T", " ").slice(0, 19);
}

function tiles(board) {
  const sum = board.sum, minutes = (board.to_ms - board.from_ms) / 60000;
  const failed = sum.calls ? 100 * sum.errors / sum.calls : 0;
  const list = [
    [usd(sum.cost_usd), "spent in " + board.span, usd(Number(sum.cost_usd) / minutes) + " a minute"],
    [count(sum.calls), "calls", board.calls_per_second.toLocaleString("en-US") + " a second now"],
    [count(sum.input_tokens), "tokens in", count(sum.cached_tokens) + " of them cached"],
    [count(sum.output_tokens), "tokens out", count(Math.round(sum.output_tokens / minutes)) + " a minute"],
    [failed.toFixed(1) + " %", "failed", count(sum.errors) + " calls", failed > 10 ? "warn" : ""],
    [count(sum.unpriced), "unpriced", "in no amount", sum.unpriced ? "warn" : ""],
    [count(board.ledger.rejects), "rejected, ever", count(board.ledger.duplicates) + " duplicates"],
    [seconds(board.delay_p99_ms), "delay p99", "broker to ledger"],
  ];
  $("tiles").replaceChildren(...list.map(([figure, name, more, mood]) => {
    const tile = make("div", "tile " + (mood || ""));
    tile.append(make("span", "", name), make("b", "", figure), make("i", "", more));
    return tile;
  }));
}

function table(id, lines, first, none) {
  if (lines === null) return $(id).replaceChildren(make("p", "none", "Listed for ranges up to a day."));
  if (!lines.length) return $(id).replaceChildren(make("p", "none", none));
  const most = Math.max(...lines.map(line => Number(line.cost_usd)), 1e-12);
  const grid = make("table"), head = make("tr");
  for (const name of [first, "calls", "tokens", "spend"]) head.append(make("th", "", name));
  const body = lines.map(line => {
    const row = make("tr"), name = make("td"), share = make("div", "share"), bar = make("i");
    name.append(make("span", "", line.key || "(none)"));
    name.title = line.key;
    bar.style.width = 100 * Number(line.cost_usd) / most + "%";
    if (id === "tiers") bar.style.background = colour(line.key);
    share.append(bar);
    name.append(share);
    const spent = line.unpriced === line.calls ? "unpriced" : usd(line.cost_usd);
    row.append(name, make("td", "", count(line.calls)), make("td", "", count(line.input_tokens + line.output_tokens)),
               make("td", "", spent));
    return row;
  });
  grid.append(head, ...body);
  $(id).replaceChildren(grid);
}

const OVER = 5;  // so many that are over stand open, so that they do not push the charts away
let unfolded = false;

function incidents(board) {
  const open = board.incidents.filter(one => one.state === "open").length;
  document.title = (open ? "(" + open + ") " : "") + "Spendstream";
  if (!board.incidents.length) return $("runaways").replaceChildren(make("p", "none", "None in this range."));
  const lines = board.incidents.map(one => {
    const box = make("div", "incident " + one.state), what = make("div", "what"), cost = make("div", "cost", usd(one.cost_usd));
    const state = one.state === "open" ? (one.acknowledged_by ? "seen by " + one.acknowledged_by : "open") : "resolved";
    what.append(make("strong", "", KIND[one.kind] || one.kind), " by ", make("strong", "", one.agent_id),
                (one.run_id ? ", run " + one.run_id : "") + (one.team_id ? " (" + one.team_id + ")" : ""),
                make("div", "evidence", one.evidence));
    cost.append(make("small", "", " " + count(one.calls) + " calls since " + instant(one.first_ms).slice(11) + ", " + state));
    box.append(make("span", "badge " + (one.state === "open" ? one.severity : ""), one.severity), what, cost);
    return box;
  });
  const rest = make("details"), hidden = lines.splice(open + OVER);
  rest.open = unfolded;
  rest.ontoggle = () => { unfolded = rest.open; };
  rest.append(make("summary", "", hidden.length + " more that are over"), ...hidden);
  $("runaways").replaceChildren(...lines, ...(hidden.length ? [rest] : []));
}

function budgets(board) {
  if (!board.budgets.length) {
    return $("budgets").replaceChildren(make("p", "none", "None set: see docs/budgets.md."));
  }
  $("budgets").replaceChildren(...board.budgets.map(one => {
    const box = make("div", "budget"), line = make("p"), pace = make("div", "pace"), spent = make("i"), now = make("em");
    const share = Number(one.amount_usd) ? Number(one.spent_usd) / Number(one.amount_usd) : 1;
    const gone = (board.to_ms - one.start_ms) / (one.end_ms - one.start_ms);
    spent.style.width = Math.min(100, 100 * share) + "%";
    spent.className = share >= 1 ? "bad" : share > gone && share > .5 || one.burning ? "warn" : "";
    now.style.left = Math.min(100, 100 * gone) + "%";
    now.title = "time gone";
    pace.append(spent, now);
    line.append(make("b", "", one.budget + (one.value ? " " + one.value : "")),
                make("b", "", usd(one.spent_usd) + " of " + usd(one.amount_usd)));
    const more = make("p"), forecast = one.forecast_usd === null ? "" : "expected " + usd(one.forecast_usd)
      + (one.rough ? ", from a short past" : "");
    more.append(make("span", "", Math.round(100 * share) + " % spent, " + Math.round(100 * gone) + " % of the " + one.period
                     + " gone" + (one.hard ? ", hard" : "") + (one.burning ? ", burning" : "")), make("span", "", forecast));
    box.append(line, pace, more);
    return box;
  }));
}

function trend(board) {
  const names = Object.keys(board.trend.tiers).sort((a, b) => (TIERS.indexOf(a) + 9) % 9 - (TIERS.indexOf(b) + 9) % 9);
  const per = board.step_s >= 3600 ? board.step_s / 3600 : board.step_s / 60;
  const unit = board.step_s >= 3600 ? "USD an hour" : "USD a minute";
  $("unit").textContent = unit;
  const at = board.trend.at, below = at.map(() => 0);
  const layers = names.map(name => board.trend.tiers[name].cost_usd.map((cost, i) => below[i] += Number(cost) / per));
  $("legend").replaceChildren(...names.map(name => {
    const item = make("span"), dot = make("i", "dot");
    dot.style.background = colour(name);
    item.append(dot, name || "(none)");
    return item;
  }));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const shape = names.join() + unit + dark + $("chart").clientWidth;
  const data = [at, ...layers.slice().reverse()];  // the topmost layer first, so that lower ones cover it
  if (chart && drawn === shape) return chart.setData(data);
  if (chart) chart.destroy();
  drawn = shape;
  const style = getComputedStyle(document.documentElement);
  const soft = style.getPropertyValue("--soft").trim(), line = style.getPropertyValue("--line").trim();
  const clock = (_, ticks, __, ___, gap) => ticks.map((t, i) => {
    const text = instant(t * 1000), day = text.slice(0, 10);
    if (gap >= 86400) return text.slice(5, 10);
    const label = text.slice(11, gap < 60 ? 19 : 16);
    return i === 0 || day !== instant(ticks[i - 1] * 1000).slice(0, 10) ? label + "\n" + day.slice(innerWidth < 560 ? 5 : 0) : label;
  });
  const axis = {stroke: soft, grid: {stroke: line, width: 1}, ticks: {stroke: line, width: 1}, font: "12px system-ui, sans-serif"};
  chart = new uPlot({
    width: $("chart").clientWidth, height: innerWidth < 560 ? 190 : 250, tzDate: s => uPlot.tzDate(new Date(s * 1000), "UTC"),
    cursor: {y: false, points: {show: false}}, legend: {show: false},
    scales: {y: {range: (_, __, high) => [0, high > 0 ? high * 1.08 : 1]}},
    axes: [{...axis, values: clock}, {...axis, size: 62, values: (_, ticks) => ticks.map(t => usd(t))}],
    series: [{}, ...names.slice().reverse().map(name => ({
      label: name, stroke: colour(name), fill: colour(name), width: 1, points: {show: false},
      paths: uPlot.paths.stepped({align: 1}),
    }))],
  }, data, $("chart"));
}

function draw(board) {
  last = board;
  $("main").hidden = false;
  const behind = board.newest_ms ? board.now_ms - board.newest_ms : 0;
  $("clock").textContent = !board.newest_ms ? "no calls yet: publish one (docs/connect.md)"
    : instant(board.newest_ms) + " UTC" + (behind > 60000 ? ", " + ago(behind) + " ago by the clock" : "");
  tiles(board);
  incidents(board);
  trend(board);
  table("tiers", board.tiers, "tier", "No calls in this range.");
  table("teams", board.teams, "team", "No calls in this range.");
  table("agents", board.agents, "agent", "No calls in this range.");
  table("models", board.models, "model", "No calls in this range.");
  budgets(board);
}

async function look() {
  clearTimeout(timer);
  const mine = ++asked;
  try {
    const answer = await fetch("/v1/board?span=" + span, {headers: token ? {Authorization: "Bearer " + token} : {}});
    if (mine !== asked) return;
    if (answer.status === 401 || answer.status === 403) {
      $("login").hidden = false;
      $("main").hidden = true;
      $("clock").textContent = token ? "this token may not read" : "";
      return;
    }
    const board = await answer.json();
    if (!answer.ok) throw new Error(board.error || answer.status);
    $("login").hidden = true;
    $("trouble").hidden = true;
    draw(board);
  } catch (error) {
    if (mine !== asked) return;
    $("trouble").hidden = false;
    $("trouble").textContent = "The worker does not answer (" + error.message + "). The figures are those of "
      + (last ? instant(last.now_ms) + " UTC" : "nowhere yet") + "; asking again.";
  }
  timer = setTimeout(look, document.hidden ? 15000 : EVERY_MS[span]);
}

function choose(name) {
  span = name;
  history.replaceState(null, "", "#" + name);
  for (const button of $("spans").children) button.setAttribute("aria-pressed", button.textContent === name);
  look();
}

for (const name of SPANS) {
  const button = make("button", "", name);
  button.type = "button";
  button.addEventListener("click", () => choose(name));
  $("spans").append(button);
}
$("login").addEventListener("submit", event => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("spendstream-token", token);
  look();
});
addEventListener("resize", () => last && trend(last));
document.addEventListener("visibilitychange", () => document.hidden || look());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => last && draw(last));
choose(span);
