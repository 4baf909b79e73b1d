// What the console's pages do in a browser beside htmx: hear of changes, say when the line is lost, draw charts.
(function () {
  "use strict";

  const SILENCE_MS = 9000; // An event comes every two seconds.
  const AGAIN_MS = 3000;

  // --- The guard's token goes with whatever htmx sends.
  const token = document.querySelector('meta[name="csrf"]');
  document.addEventListener("htmx:configRequest", (event) => {
    if (token) event.detail.headers["Portolan-Csrf"] = token.content;
  });

  // --- Live: each event is passed on as "live"; parts of the page that listen to it are asked for again.
  const notice = document.querySelector("#lost p");
  const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium", timeZone: "Asia/Shanghai" });
  let source = null;
  let heard = Date.now();

  function lose() {
    if (!notice || !notice.hidden) return;
    notice.querySelector("time").textContent = clock.format(heard);
    notice.hidden = false;
    document.documentElement.classList.add("lost");
  }

  function find() {
    heard = Date.now();
    if (notice) notice.hidden = true;
    document.documentElement.classList.remove("lost");
  }

  function listen() {
    source = new EventSource("/live");
    source.addEventListener("tick", () => {
      find();
      if (!document.hidden) document.body.dispatchEvent(new Event("live"));
    });
    source.addEventListener("error", () => {
      lose();
      // After some errors a browser gives up by itself; we do not.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
    });
  }

  if (notice) {
    listen();
    setInterval(() => {
      if (Date.now() - heard < SILENCE_MS) return;
      lose();
      if (source.readyState === EventSource.OPEN) {
        source.close();
        listen();
      }
    }, 1000);
    document.addEventListener("htmx:sendError", lose);
    document.addEventListener("htmx:timeout", lose);
    // A page that leaves cuts its line; that is no loss.
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  }

  // --- Charts: each is drawn from the table that stands in it.
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue("--" + name).trim();
  };
  const clockOf = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: "Asia/Shanghai", ...options });
  const hour = clockOf({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const day = clockOf({ month: "2-digit", day: "2-digit" });
  const dayText = (at) => day.formatToParts(at * 1000).filter((p) => p.type !== "literal").reverse().map((p) => p.value).join("-");
  const figures = new Intl.NumberFormat("en-US");

  function values(figure) {
    const heads = [...figure.querySelectorAll("thead th[data-colour]")];
    const rows = [...figure.querySelectorAll("tbody tr")];
    const at = rows.map((row) => Number(row.querySelector("th").dataset.at));
    const of = (n) => rows.map((row) => {
      const value = row.querySelectorAll("td")[n].dataset.value;
      return value === undefined ? null : Number(value);
    });
    return { heads, data: [at, ...heads.map((_, n) => of(n))] };
  }

  function milliseconds(value) {
    if (value < 1000) return value + " ms";
    if (value < 60000) return value / 1000 + " s";
    return value < 3600000 ? value / 60000 + " min" : value / 3600000 + " h";
  }

  /** The powers of ten that a logarithmic axis has lines at. */
  const powers = (_, axis, least, most) => {
    const found = [];
    for (let value = 1; value <= most; value *= 10) if (value >= least) found.push(value);
    return found;
  };

  function draw(figure) {
    const plot = figure.querySelector(".plot");
    const { heads, data } = values(figure);
    if (!data[0].length || !window.uPlot) return;
    const colour = colours();
    const bars = figure.dataset.chart === "bars";
    const step = Number(figure.dataset.step);
    const label = figure.dataset.unit === "ms" ? milliseconds : (value) => figures.format(value);
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    if (!data.slice(1).flat().some((value) => value)) {
      plot.classList.add("bare");
      plot.textContent = plot.dataset.empty;
      return;
    }
    const most = Math.max(1, ...data.slice(1).flat().filter((value) => value !== null));
    const series = heads.map((head, n) => ({
      label: head.textContent,
      stroke: colour(head.dataset.colour),
      width: bars ? 0 : 2,
      fill: bars ? colour(head.dataset.colour) : undefined,
      paths: bars ? uPlot.paths.bars({ size: [n === 0 ? 0.7 : 0.36, 40] }) : uPlot.paths.stepped({ align: 1 }),
      points: { show: !bars, size: 5, fill: colour(head.dataset.colour) },
      spanGaps: false,
    }));
    const options = {
      width: plot.clientWidth,
      height: 190,
      legend: { show: false },
      cursor: { drag: { x: false, y: false } },
      scales: {
        x: { time: true, range: [data[0][0] - step / 2, data[0][data[0].length - 1] + step] },
        y: bars ? { range: [0, most * 1.08] } : { distr: 3, log: 10, range: [1, Math.pow(10, Math.ceil(Math.log10(most * 1.5)))] },
      },
      axes: [
        { ...axis, size: 28, values: (_, ticks) => ticks.map((at) => (step > 3600 ? dayText(at) : hour.format(at * 1000))), space: 64 },
        { ...axis, size: 64, splits: bars ? undefined : powers, values: (_, ticks) => ticks.map((value) => (value === null || (bars && value % 1) ? "" : label(value))), space: 34 },
      ],
      series: [{}, ...series],
    };
    figure.chart?.destroy();
    plot.replaceChildren();
    figure.chart = new uPlot(options, data, plot);
  }

  const drawAll = (within) => within.querySelectorAll("figure[data-chart]").forEach(draw);
  drawAll(document);
  document.addEventListener("htmx:load", (event) => { if (event.detail.elt !== document.body) drawAll(event.detail.elt); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    drawAll(document);
  });

  // --- Lineage: a value and the bytes that it was read from light up together, and the page stays where it is.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-lights]");
    const other = link && document.getElementById(link.hash.slice(1));
    if (!other) return;
    event.preventDefault();
    document.querySelectorAll(".lit").forEach((lit) => lit.classList.remove("lit"));
    [link, other].forEach((one) => one.classList.add("lit"));
    other.scrollIntoView({ block: "nearest" });
    other.focus({ preventScroll: true });
  });

  // --- A choice that goes at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
})();
