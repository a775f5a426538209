// The page for broadcasts: publishes what the camera sees to /whip (RFC 9725), or watches at /whep.

import { Capture } from '/capture.js';
import { Connection } from '/connection.js';
import { MediaTable, connectionNumbers, encryption, endpoint } from '/statistics.js';
import { $, NOTHING, Screen, fail, milliseconds, octets } from '/view.js';

const REFRESH = 500; // ms between looks at the statistics

const capture = new Capture();
const screen = new Screen();
const table = new MediaTable();

let connection = null;
let timer = 0;

$('publish').onclick = () => start('/whip', async mine => {
  await capture.set({ audio: true, video: true });
  $('local-video').srcObject = capture.stream;
  $('local-video').hidden = !capture.video;
  for (const track of capture.stream.getTracks()) mine.send(track, capture.stream, false);
});
$('watch').onclick = () => start('/whep', async mine => {
  for (const kind of ['audio', 'video']) mine.receive(kind);
});
$('stop').onclick = () => connection?.close();
addEventListener('pagehide', () => connection?.close());

async function start(path, prepare) {
  const mine = connection = new Connection(path, $('token').value);
  fail('');
  mine.addEventListener('state', () => connection === mine && show(mine.state));
  mine.addEventListener('closed', () => connection === mine && ended());
  mine.addEventListener('track', ({ track }) => connection === mine && screen.show(track));
  show('connecting');
  try {
    await prepare(mine);
    await mine.start();
    timer = setInterval(refresh, REFRESH);
  } catch (error) {
    if (connection !== mine) return; // stopped meanwhile
    fail(error.message);
    await mine.close();
  }
}

function ended() {
  clearInterval(timer);
  connection = null;
  capture.set({});
  $('local-video').hidden = true;
  $('local-video').srcObject = null;
  screen.clear();
  table.clear();
  for (const id of ['pair', 'encryption', 'stat-rtt', 'stat-sent', 'stat-received']) $(id).textContent = NOTHING;
  show('closed');
}

function show(state) {
  document.body.dataset.state = state;
  $('state').textContent = state;
  for (const id of ['publish', 'watch', 'token']) $(id).disabled = Boolean(connection);
  $('stop').disabled = !connection;
}

async function refresh() {
  const mine = connection;
  const reports = await mine.reports();
  if (connection !== mine) return;
  table.update(reports);
  const now = connectionNumbers(reports);
  if (now.local && now.remote) $('pair').textContent = `${endpoint(now.local)} ↔ ${endpoint(now.remote)}`;
  $('encryption').textContent = encryption(now) || NOTHING;
  $('stat-rtt').textContent = now.roundTrip === undefined ? NOTHING : milliseconds(now.roundTrip);
  $('stat-sent').textContent = octets(now.sent ?? 0);
  $('stat-received').textContent = octets(now.received ?? 0);
}

show('new');
