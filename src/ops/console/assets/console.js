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

  // --- A choice that goes at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
  });
})();
