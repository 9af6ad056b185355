// The pages work without it. No markup is made from strings.
'use strict';

const each = (selector, f) => document.querySelectorAll(selector).forEach(f);

// Shows times in the reader's zone, with UTC beside.
function showTimes(root) {
  const form = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'short'});
  const zone = new Intl.DateTimeFormat(undefined, {timeZoneName: 'short'});
  for (const t of root.querySelectorAll('time[datetime]')) {
    const at = new Date(t.dateTime);
    if (isNaN(at) || !at.getTimezoneOffset()) continue;
    const name = zone.formatToParts(at).find(p => p.type === 'timeZoneName');
    const utc = document.createElement('small');
    utc.textContent = at.getDate() === at.getUTCDate() ? t.title.split(', ').pop() : t.title;
    t.replaceChildren(form.format(at) + (name ? ' ' + name.value : '') + ' ', utc);
  }
}

function showSignedOut() { document.getElementById('signedout').hidden = false; }

// A part with data-poll is replaced by that of this address, every few seconds.
function poll(part) {
  let tag = '';
  const ask = () => {
    if (document.hidden) return again();
    const request = new XMLHttpRequest();
    request.open('GET', part.dataset.poll);
    request.responseType = 'document';
    if (tag) request.setRequestHeader('If-None-Match', tag);
    request.timeout = 20000;
    request.onload = () => {
      const fresh = request.status === 200 && request.response && request.response.getElementById(part.id);
      if (fresh) {
        tag = request.getResponseHeader('ETag') || '';
        // Links and tables keep the focus and stay scrolled.
        const all = () => [...part.querySelectorAll('a,.scroll')];
        const key = e => e.href || e.innerText.slice(0, 9);
        const old = all().map(e => [key(e), e.scrollLeft, e === document.activeElement]);
        part.replaceChildren(...Array.from(fresh.childNodes, n => document.importNode(n, true)));
        showTimes(part);
        for (const e of all()) {
          const i = old.findIndex(o => o[0] === key(e));
          if (i < 0) continue;
          const [[, left, held]] = old.splice(i, 1);
          e.scrollLeft = left;
          if (held) e.focus({preventScroll: true});
        }
      } else if (request.status === 401 || request.status === 403) return showSignedOut();
      again();
    };
    request.onerror = () => navigator.onLine ? checkAlive().then(ok => ok ? again() : showSignedOut()) : again();
    request.ontimeout = again;
    request.send();
  };
  const again = () => setTimeout(ask, 1000 * (part.dataset.seconds || 5));
  again();
}

// A dead session answers with a redirect to another origin.
async function checkAlive() {
  try {
    return (await fetch('/alive', {redirect: 'manual', cache: 'no-store'})).status === 204;
  } catch {
    return false;
  }
}

// Shows that a form was sent.
function showBusy(form, busy) {
  const note = document.getElementById('working');
  form.ariaBusy = busy ? 'true' : null;
  clearTimeout(form.noteTimer);
  if (busy) form.noteTimer = setTimeout(() => { note.hidden = false; }, 400);
  else note.hidden = true;
}
function disable(form, off) { form.querySelectorAll('button').forEach(b => { b.disabled = off; }); }
function release(form) {
  delete form.dataset.alive;
  showBusy(form, false);
  disable(form, false);
}

// A form is sent once, and only while the session is alive.
function guard(form) {
  let sending = false;
  form.addEventListener('input', () => { form.dataset.changed = '1'; });
  form.addEventListener('submit', async event => {
    if (form.dataset.alive) return setTimeout(disable, 0, form, true), setTimeout(release, 9e4, form);
    event.preventDefault();
    if (sending) return;
    sending = true;
    showBusy(form, true);
    const alive = await checkAlive();
    sending = false;
    if (!alive) return release(form), showSignedOut();
    form.dataset.alive = '1';
    delete form.dataset.changed;
    form.requestSubmit(event.submitter);
  });
}

// A file can be dropped on its field.
function acceptDrop(zone) {
  const input = zone.querySelector('input[type=file]');
  if (!input) return;
  for (const name of ['dragover', 'dragleave', 'drop']) {
    zone.addEventListener(name, event => {
      event.preventDefault();
      zone.classList.toggle('over', name === 'dragover');
      if (name !== 'drop') return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event('input', {bubbles: true}));
    });
  }
}

showTimes(document);
each('[data-poll]', poll);
each('form[method=post]', guard);
each('.drop', acceptDrop);
each('[data-all]', box => box.addEventListener('change', () =>
  each('input[name="' + box.dataset.all + '"]', b => { b.checked = box.checked; })));
// Also on a page that the browser has kept.
window.addEventListener('pageshow', () => each('form[method=post]', release));
window.addEventListener('beforeunload', event => {
  if (document.querySelector('form[data-changed]')) event.preventDefault();
});
