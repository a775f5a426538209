// What the page shows, and what its buttons do.
// connection.js speaks with the peer, transfer.js moves files.

import { Connection } from '/connection.js';
import { MAX_FILE, sendAndReturn, sha256 } from '/transfer.js';

const $ = id => document.getElementById(id);
const NOTHING = '–';
const REFRESH = 500; // ms between looks at the statistics
const MAX_LINES = 500; // kept in the chat

let connection = null;
let chat = null;
let transfer = null; // AbortController of the file on its way
let timer = 0;
let before = null; // the statistics of the last look, for rates

// The connection

$('connect').onclick = async () => {
  const mine = connection = new Connection();
  fail('');
  reset();
  controls();
  mine.addEventListener('state', () => connection === mine && show(mine.state));
  mine.addEventListener('closed', () => connection === mine && ended());
  show('connecting');
  try {
    const { channel, milliseconds } = await mine.open('chat');
    chat = channel;
    chat.onmessage = ({ data }) => received(data);
    chat.onclose = () => connection === mine && mine.lost();
    $('time-to-open').textContent = `${milliseconds.toFixed(milliseconds < 100 ? 1 : 0)} ms`;
    $('session').textContent = new URL(mine.session).pathname;
    note('The channel is open.');
    timer = setInterval(refresh, REFRESH);
    controls();
    show(mine.state);
    $('chat-input').focus();
    await refresh();
    await showPeerPair(mine);
  } catch (error) {
    if (connection !== mine) return; // disconnected meanwhile
    fail(error.message);
    await mine.close();
  }
};

$('disconnect').onclick = () => connection?.close();
addEventListener('pagehide', () => connection?.close());

function ended() {
  if (chat) note('The connection is closed.');
  clearInterval(timer);
  transfer?.abort();
  connection = chat = null;
  controls();
}

/** What matters here is the channel: the connection is ready a moment before it. */
function show(connectionState) {
  const state = connectionState === 'connected' && !chat ? 'connecting' : connectionState;
  document.body.dataset.state = state;
  $('state').textContent = state;
}

function fail(reason) {
  $('error').textContent = reason;
  $('error').hidden = !reason;
}

function controls() {
  const open = chat?.readyState === 'open';
  $('connect').disabled = Boolean(connection);
  $('disconnect').disabled = !connection;
  for (const id of ['chat-input', 'chat-send']) $(id).disabled = !open;
  $('file-input').disabled = !open || Boolean(transfer);
}

function reset() {
  for (const id of ['time-to-open', 'pair', 'peer-pair', 'encryption', 'session']) $(id).textContent = NOTHING;
  for (const cell of document.querySelectorAll('#statistics dd')) cell.textContent = NOTHING;
  before = null;
}

// Statistics

async function refresh() {
  const mine = connection;
  const now = await mine?.statistics();
  if (!now || connection !== mine) return;
  if (now.local && now.remote) $('pair').textContent = `${endpoint(now.local)} ↔ ${endpoint(now.remote)}`;
  const versions = { FEFD: 'DTLS 1.2', FEFC: 'DTLS 1.3' };
  const encryption = [versions[now.version], now.cipher].filter(Boolean).join(', ');
  if (encryption) $('encryption').textContent = encryption;
  const time = performance.now();
  const rate = name => before && time > before.time && now[name] !== undefined
    ? `${octets((now[name] - before[name]) / (time - before.time) * 1000)}/s` : NOTHING;
  $('stat-rtt').textContent = now.roundTrip === undefined ? NOTHING : `${(now.roundTrip * 1000).toFixed(1)} ms`;
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
  if (pair && connection === mine) $('peer-pair').textContent = `${pair.local} ↔ ${pair.remote}`;
}

function endpoint({ address, ip, port, candidateType }) {
  const host = address || ip;
  const name = host ? (host.includes(':') ? `[${host}]` : host) : 'hidden';
  return `${name}:${port} (${candidateType})`;
}

function octets(count) {
  const units = ['B', 'kB', 'MB', 'GB'];
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit++; }
  return `${count.toFixed(unit && count < 100 ? 1 : 0)} ${units[unit]}`;
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

const received = data => line('theirs', typeof data === 'string' ? data : `${data.byteLength} octets`);
const note = text => line('note', text);

function line(kind, text) {
  const item = document.createElement('li');
  item.className = kind;
  item.textContent = text;
  const log = $('chat-log');
  log.append(item);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

// Files

$('file-input').onchange = ({ target }) => {
  const [file] = target.files;
  target.value = ''; // so that the same file can be chosen again
  if (file) send(file);
};

const drop = $('drop');
for (const kind of ['dragenter', 'dragover']) {
  drop.addEventListener(kind, event => { event.preventDefault(); drop.classList.add('over'); });
}
for (const kind of ['dragleave', 'drop']) drop.addEventListener(kind, () => drop.classList.remove('over'));
drop.addEventListener('drop', event => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file && !$('file-input').disabled) send(file);
});
// A file dropped beside the box must not replace the page.
for (const kind of ['dragover', 'drop']) addEventListener(kind, event => event.preventDefault());

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

show('new');
controls();
