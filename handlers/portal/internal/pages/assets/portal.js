// What makes the pages more pleasant; they work without it. No markup is made from strings.
'use strict';

// Times are shown in the reader's zone with UTC beside, which has its day if that is another one.
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

// A part of the page with data-poll is replaced by the same part of that address, every few seconds while it is seen.
// The answer is parsed by the browser as a document: no string becomes markup here.
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
        part.replaceChildren(...Array.from(fresh.childNodes, n => document.importNode(n, true)));
        showTimes(part);
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

// Reports whether the session is alive: a dead one answers with a redirect to another origin.
async function checkAlive() {
  try {
    return (await fetch('/alive', {redirect: 'manual', cache: 'no-store'})).status === 204;
  } catch {
    return false;
  }
}

// Shows that a form was sent and its answer is not there yet. A button is disabled after its name and value were read.
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

// A form is sent once, and only while the session is alive: after a redirect to the sign-in its content would be lost.
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
      if (name === 'drop') {
        input.files = event.dataTransfer.files;
        input.dispatchEvent(new Event('input', {bubbles: true}));
      }
    });
  }
}

showTimes(document);
document.querySelectorAll('[data-poll]').forEach(poll);
document.querySelectorAll('form[method=post]').forEach(guard);
document.querySelectorAll('.drop').forEach(acceptDrop);
document.querySelectorAll('[data-all]').forEach(box => box.addEventListener('change', () => {
  document.querySelectorAll('input[name="' + box.dataset.all + '"]').forEach(b => { b.checked = box.checked; });
}));
// Also a page that the browser has kept, and shows again.
window.addEventListener('pageshow', () => document.querySelectorAll('form[method=post]').forEach(release));
window.addEventListener('beforeunload', event => {
  if (document.querySelector('form[data-changed]')) event.preventDefault();
});
