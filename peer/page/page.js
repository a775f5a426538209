// The main page: what it shows, and what its buttons do.
// connection.js speaks with the peer, capture.js with the camera, transfer.js moves files.

import { Capture, buttons } from '/capture.js';
import { Connection } from '/connection.js';
import { MediaTable, connectionNumbers, encryption, endpoint } from '/statistics.js';
import { MAX_FILE, sendAndReturn, sha256 } from '/transfer.js';
import { $, NOTHING, Screen, fail, files, line, milliseconds, octets } from '/view.js';

const REFRESH = 500; // ms between looks at the statistics

const capture = new Capture();
const screen = new Screen();
const table = new MediaTable();

let connection = null;
let connecting = null; // the promise of it
let chat = null;
let transfer = null; // AbortController of the file on its way
let timer = 0;
let before = null; // the statistics of the last look, for rates
let sending = {}; // by kind: the transceiver
let watching = []; // the transceivers

// The connection

$('connect').onclick = () => connect().catch(() => {}); // the reason is shown
$('disconnect').onclick = () => connection?.close();
addEventListener('pagehide', () => connection?.close());

/** Resolves once there is a connection, which may be the one there was. */
function connect() {
  if (!connecting) {
    connecting = open();
    connecting.catch(() => { connecting = null; });
  }
  return connecting;
}

async function open() {
  const mine = connection = new Connection();
  fail('');
  reset();
  controls();
  mine.addEventListener('state', () => connection === mine && changed(mine));
  mine.addEventListener('closed', () => connection === mine && ended());
  mine.addEventListener('track', ({ track }) => connection === mine && screen.show(track));
  show('connecting');
  try {
    const { channel, milliseconds } = await mine.open('chat');
    chat = channel;
    chat.onmessage = ({ data }) => line('theirs', typeof data === 'string' ? data : `${data.byteLength} octets`);
    chat.onclose = () => connection === mine && mine.lost();
    $('time-to-open').textContent = `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
    $('session').textContent = new URL(mine.session).pathname;
    line('note', 'The channel is open.');
    timer = setInterval(refresh, REFRESH);
    controls();
    show(mine.state);
    if (document.activeElement === document.body || document.activeElement === $('connect')) $('chat-input').focus();
    await refresh();
    await showPeerPair(mine);
  } catch (error) {
    if (connection !== mine) throw error; // disconnected meanwhile
    fail(error.message);
    await mine.close();
    throw error;
  }
}

function ended() {
  if (chat) line('note', 'The connection is closed.');
  clearInterval(timer);
  transfer?.abort();
  connection = connecting = chat = null;
  sending = {};
  watching = [];
  capture.set({});
  screen.clear();
  controls();
}

/** A restart may have led to another path. */
function changed(mine) {
  show(mine.state);
  if (mine.state === 'connected') showPeerPair(mine);
}

/** What matters here is the channel: the connection is ready a moment before it. */
function show(connectionState) {
  const state = connectionState === 'connected' && !chat ? 'connecting' : connectionState;
  document.body.dataset.state = state;
  $('state').textContent = state;
}

function controls() {
  const open = chat?.readyState === 'open';
  $('connect').disabled = Boolean(connection);
  $('disconnect').disabled = !connection;
  for (const id of ['chat-input', 'chat-send']) $(id).disabled = !open;
  $('file-input').disabled = !open || Boolean(transfer);
  document.body.dataset.call = capture.video ? 'video' : capture.audio ? 'voice' : watching.length ? 'watch' : 'none';
  $('watch').setAttribute('aria-pressed', watching.length > 0);
  $('hangup').disabled = document.body.dataset.call === 'none';
}

function reset() {
  for (const id of ['time-to-open', 'pair', 'peer-pair', 'encryption', 'session']) $(id).textContent = NOTHING;
  for (const cell of document.querySelectorAll('#statistics dd')) cell.textContent = NOTHING;
  table.clear();
  before = null;
}

// Voice and video: our tracks go to the peer, which sends them back

buttons(capture, async () => {
  await connect();
  await watch(false);
});

capture.addEventListener('change', async () => {
  controls();
  const mine = connection;
  if (!mine) return;
  try {
    await mine.change(() => {
      for (const kind of ['audio', 'video']) {
        const track = capture[kind];
        if (sending[kind] && sending[kind].sender.track !== track) {
          stop(sending[kind]);
          delete sending[kind];
        }
        if (track && !sending[kind]) sending[kind] = mine.send(track, capture.stream, true);
      }
    });
  } catch (error) {
    if (connection !== mine) return;
    fail(error.message);
    sending = {};
    if (capture.audio || capture.video) await capture.set({});
  }
});

function stop(transceiver) {
  screen.hide(transceiver.receiver.track);
  transceiver.stop();
}

// Watch: the peer sends what it has

$('watch').onclick = async () => {
  fail('');
  $('watch').disabled = true;
  try {
    await connect();
    await watch(!watching.length);
  } catch (error) {
    fail(error.message);
  } finally {
    $('watch').disabled = false;
  }
};
// Besides what capture.js makes of it.
$('hangup').addEventListener('click', () => watch(false).catch(error => fail(error.message)));

async function watch(on) {
  const mine = connection;
  if (!mine || on === watching.length > 0) return;
  if (on) {
    await capture.set({});
    watching = await mine.change(() => ['audio', 'video'].map(kind => mine.receive(kind)));
  } else {
    const old = watching;
    watching = [];
    await mine.change(() => old.forEach(stop));
  }
  controls();
}

// Statistics

async function refresh() {
  const mine = connection;
  const reports = await mine?.reports();
  if (!reports || connection !== mine) return;
  table.update(reports);
  const now = connectionNumbers(reports);
  if (now.local && now.remote) $('pair').textContent = `${endpoint(now.local)} ↔ ${endpoint(now.remote)}`;
  $('encryption').textContent = encryption(now) || NOTHING;
  const time = performance.now();
  const rate = name => before && time > before.time && now[name] !== undefined
    ? `${octets((now[name] - before[name]) / (time - before.time) * 1000)}/s` : NOTHING;
  $('stat-rtt').textContent = now.roundTrip === undefined ? NOTHING : milliseconds(now.roundTrip);
  $('stat-sent').textContent = octets(now.sent ?? 0);
  $('stat-received').textContent = octets(now.received ?? 0);
  $('stat-rate-out').textContent = rate('sent');
  $('stat-rate-in').textContent = rate('received');
  $('stat-messages').textContent = `${now.messagesSent} / ${now.messagesReceived}`;
  $('stat-channels').textContent = now.opened === undefined ? NOTHING : `${now.opened} / ${now.closed}`;
  before = { ...now, time };
}

/** A browser hides its own address from the page; the peer sees where packets come from. */
async function showPeerPair(mine) {
  const pair = (await mine.describe())?.statistics?.selectedCandidatePair;
  if (!pair || connection !== mine) return;
  $('peer-pair').textContent = `${pair.local} (${pair.localCandidateType}) ↔ ${pair.remote} (${pair.remoteCandidateType})`;
}

// Chat

$('chat-form').onsubmit = event => {
  event.preventDefault();
  const text = $('chat-input').value;
  if (chat?.readyState !== 'open') return;
  chat.send(text);
  line('ours', text);
  $('chat-input').value = '';
};

// Files

files(send);
$('file-cancel').onclick = () => transfer?.abort();

async function send(file) {
  if (file.size > MAX_FILE) return result('failed', 'Larger than 1 GiB: more than this page can keep in memory.');
  transfer = new AbortController();
  controls();
  result('busy', '');
  URL.revokeObjectURL($('file-save').href);
  $('file-save').hidden = $('checksums').hidden = true;
  $('transfer').hidden = $('file-cancel').hidden = false;
  $('file-name').textContent = `${file.name} (${octets(file.size)})`;
  progress(file, 0, 0);
  try {
    const channel = connection.channel('file');
    const { copy, milliseconds } = await sendAndReturn(file, channel, connection.maxMessageSize,
      (sent, returned) => progress(file, sent, returned), transfer.signal);
    $('file-cancel').hidden = true;
    $('text-returned').textContent = 'comparing …';
    const [ours, theirs] = [await sha256(file), await sha256(copy)];
    $('checksum-sent').textContent = ours;
    $('checksum-returned').textContent = theirs;
    $('checksums').hidden = false;
    progress(file, file.size, file.size);
    if (ours !== theirs) throw new Error('The copy that came back differs.');
    const rate = file.size / 1e6 / (milliseconds / 1000);
    result('identical', `Identical. ${(milliseconds / 1000).toFixed(2)} s there and back, ${rate.toFixed(1)} MB/s each way.`);
    Object.assign($('file-save'), { href: URL.createObjectURL(copy), download: file.name, hidden: false });
  } catch (error) {
    result('failed', error.message);
  } finally {
    transfer = null;
    $('file-cancel').hidden = true;
    controls();
  }
}

function result(kind, text) {
  $('file').dataset.result = kind;
  $('file-result').textContent = text;
}

function progress(file, sent, returned) {
  for (const [id, count] of [['sent', sent], ['returned', returned]]) {
    const part = file.size ? count / file.size : 1;
    $(`progress-${id}`).value = part;
    $(`text-${id}`).textContent = `${Math.floor(part * 100)} %`;
  }
}

// Rooms

$('room-form').onsubmit = event => {
  event.preventDefault();
  location.href = `/room/${encodeURIComponent($('room-name').value)}`;
};

show('new');
controls();
