// Counts views and the time spent on them; leaves nothing in the browser unless
// data-id="local" asks for it. Reference: docs/collectors.md.
(function (w, d, n, l, h) {
  "use strict";
  var me = d.currentScript;
  function attr(name) { return me.getAttribute("data-" + name); }
  function nothing() {}
  w.rsolv = nothing;
  // Who asks not to be followed is not, and neither is a machine.
  if (!me || n.doNotTrack === "1" || w.doNotTrack === "1" || n.globalPrivacyControl || n.webdriver) return;

  var api = attr("api") || new URL("/api/event", me.src).href, site = attr("domain") || l.hostname;
  var visitor, path, href, referrer = d.referrer, spent = 0, since, depth = 0, seen = attr("seen") !== null;

  function uuid() {
    var b = w.crypto.getRandomValues(new Uint8Array(16));
    b[6] = b[6] & 15 | 64;
    b[8] = b[8] & 63 | 128;
    return Array.from(b, function (x, i) {
      return (i > 3 && i < 11 && i % 2 === 0 ? "-" : "") + (x + 256).toString(16).slice(1);
    }).join("");
  }
  if (attr("id") === "local") try {
    visitor = localStorage.rsolv_id = localStorage.rsolv_id || uuid();
  } catch (e) { nothing(e); }

  // Sent again under its id, an event is counted once.
  function post(body, last, tries) {
    if (last && n.sendBeacon && n.sendBeacon(api, body)) return;
    function again() { if (tries) setTimeout(post, 3000, body, last, tries - 1); }
    fetch(api, {method: "POST", headers: {"Content-Type": "text/plain"}, body: body, keepalive: true, credentials: "omit"})
      .then(function (r) { if (r.status > 499) again(); }, again);
  }
  function send(name, more, last) {
    post(JSON.stringify(Object.assign({n: name, u: href || l.href, d: site, r: referrer, visitor: visitor, id: uuid()}, more)), last, 2);
  }

  function count() {
    var now = performance.now();
    if (since !== undefined) spent += now - since;
    since = d.hidden ? undefined : now;
  }
  function scrolled() {
    var e = d.documentElement;
    depth = Math.max(depth, Math.min(100, Math.round((w.scrollY + w.innerHeight) * 100 / e.scrollHeight)));
  }
  // What was spent on the view until now; the times of one view add up.
  function leave() {
    count();
    if (href && spent >= 1) send("engagement", {e: Math.round(spent), sd: depth}, true);
    spent = 0;
  }
  function view() {
    var to = l.pathname + (attr("hash") !== null ? l.hash : "");
    if (to === path) return;
    leave();
    if (href) referrer = href;
    path = to;
    href = l.href;
    depth = 0;
    scrolled();
    if (!seen) send("pageview");
    seen = false;
  }

  ["pushState", "replaceState"].forEach(function (name) {
    var own = h[name];
    h[name] = function () {
      own.apply(h, arguments);
      view();
    };
  });
  w.addEventListener("popstate", view);
  w.addEventListener("hashchange", view);
  w.addEventListener("pageshow", function (e) {
    if (e.persisted) { path = undefined; view(); }
  });
  w.addEventListener("pagehide", leave);
  w.addEventListener("scroll", scrolled, {passive: true});
  d.addEventListener("visibilitychange", function () {
    if (d.hidden) leave();
    else { count(); if (path === undefined) view(); }
  });
  d.addEventListener("submit", function (e) {
    var field = e.target.elements && e.target.elements.visitor_id;
    if (field && visitor) field.value = visitor;
  }, true);

  w.rsolv = function (name, props) { send(name, {p: props}); };
  w.rsolv.id = visitor;
  if (!d.hidden) view();
})(window, document, navigator, location, history);
