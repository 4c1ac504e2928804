// Keeps an open page as the bridge would show it now, and says when it cannot.
"use strict";

// In milliseconds: for how long nothing may be heard, as the bridge says every few seconds that it is
// there; when it is tried again after that; how often a page looks that is not told; how long an
// answer may take.
const SILENCE = 12_000;
const AGAIN = 3_000;
const SELDOM = 15_000;
const PATIENCE = 10_000;

const WHY = {
  "signed-out": "you are signed out.",
  failed: "the bridge cannot show this page.",
  silent: "the bridge does not answer.",
};

const clock = (at) => new Date(at).toISOString().slice(11, 19);

// The page as it is now, or why it cannot be had.
async function ask() {
  try {
    const options = { headers: { "X-Live": "1" }, redirect: "manual", signal: AbortSignal.timeout(PATIENCE) };
    const answer = await fetch(location.href, options);
    if (!answer.ok) return { reason: answer.status === 401 ? "signed-out" : "failed" };
    return { page: new DOMParser().parseFromString(await answer.text(), "text/html") };
  } catch {
    return { reason: "silent" };
  }
}

// Takes over the parts that are different now, but none in which somebody is at work unless that is
// asked for; whether there were any, and whether one waits.
function takeOver(page, all) {
  let changed = false;
  let waits = false;
  for (const [part, before] of shown) {
    const now = page.getElementById(part.id)?.innerHTML;
    if (now === undefined || now === before) continue;
    if (!all && (part.contains(document.activeElement) || part.querySelector("details[open]"))) {
      waits = true;
      continue;
    }
    part.innerHTML = now;
    shown.set(part, now);
    offerCopies(part);
    changed = true;
  }
  return { changed, waits };
}

// Says a sentence at the lower edge of the page, with something to do about it; an empty one takes it away.
function say(id, sentence, act) {
  const place = document.getElementById(id);
  if (place.dataset.said === sentence) return;
  place.dataset.said = sentence;
  place.replaceChildren(...(sentence ? [sentence, " ", act] : []));
}

function make(tag, textContent, properties) {
  return Object.assign(document.createElement(tag), { textContent, ...properties });
}

// Looks when it is told to, and once in a while where it is not.
function follow(path) {
  const root = document.documentElement;
  const footer = document.getElementById("live");
  let source, timer, running, next;
  let heard = Date.now();
  let live = Date.now();
  let told = true;

  const lost = (reason) => {
    root.dataset.live = "off";
    const name = reason === "signed-out" ? "Sign in" : "Load it again";
    say("lost", `Not live since ${clock(live)}: ${WHY[reason]}`, make("a", name, { href: location.href }));
  };

  const found = () => {
    root.dataset.live = "on";
    live = Date.now();
    say("lost", "");
  };

  const lookOnce = async ({ tell, all }) => {
    const { page, reason } = await ask();
    if (!page) return lost(reason);
    const { changed, waits } = takeOver(page, all);
    if (changed && tell) footer.textContent = `Brought up to date ${clock(Date.now())}.`;
    const now = make("button", "Show it now", { type: "button", className: "plain", onclick: () => look({ all: true }) });
    say("waits", waits ? "Newer content waits, as you are at work in this part of the page." : "", now);
    found();
  };

  // One look at a time; what is wished for meanwhile is done together afterwards.
  const look = (wish) => {
    next = { tell: wish.tell || next?.tell, all: wish.all || next?.all };
    running ??= (async () => {
      while (next) {
        const now = next;
        next = undefined;
        await lookOnce(now);
      }
      running = undefined;
    })();
    return running;
  };

  const later = (act, wait) => {
    clearTimeout(timer);
    timer = setTimeout(act, wait);
  };

  // Whoever is not told any more learns by a look whether that matters, and tries again.
  const broke = async () => {
    source.close();
    source = undefined;
    await look({ tell: true });
    later(told ? listen : seldom, told ? AGAIN : SELDOM);
  };

  const seldom = async () => {
    await look({ tell: true });
    later(seldom, SELDOM);
  };

  const hear = (wish) => () => {
    heard = Date.now();
    if (root.dataset.live === "on") live = heard;
    if (wish || root.dataset.live === "off") look(wish ?? {});
  };

  const listen = () => {
    clearTimeout(timer);
    source?.close();
    heard = Date.now();
    source = new EventSource(path);
    source.onerror = broke;
    // What changed before anybody could be told is seen by a look.
    source.onopen = hear({});
    source.addEventListener("alive", hear());
    source.addEventListener("aged", hear({}));
    source.addEventListener("changed", hear({ tell: true }));
    source.addEventListener("enough", () => {
      told = false;
      footer.textContent = `Newer pages of this session are told of changes; this one looks every ${SELDOM / 1000} s.`;
      broke();
    });
  };

  listen();
  setInterval(() => {
    if (!source || Date.now() - heard < SILENCE) return;
    lost("silent");
    broke();
  }, 1000);

  // Whoever has left a part sees what waited.
  const left = () => document.getElementById("waits").dataset.said && setTimeout(() => look({}), 0);
  addEventListener("focusout", left);
  document.addEventListener("toggle", left, true);

  // A page that is looked at again is told again.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || told) return;
    told = true;
    listen();
  });
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", (event) => event.persisted && listen());
}

if (document.body.dataset.live) follow(document.body.dataset.live);
