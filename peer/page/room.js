// The page of a room: it waits for the other browser, and then calls it.
// signalling.js finds the other one, negotiation.js agrees with it, capture.js has the camera, transfer.js moves files.

import { Capture, buttons } from '/capture.js';
import { configuration } from '/ice.js';
import { Negotiation } from '/negotiation.js';
import { Signalling } from '/signalling.js';
import { MediaTable, connectionNumbers, encryption, endpoint } from '/statistics.js';
import { MAX_FILE, offerFile, takeFile } from '/transfer.js';
import { $, NOTHING, Screen, fail, files, line, milliseconds, octets } from '/view.js';

const REFRESH = 500; // ms between looks at the statistics
const GRACE = 1000; // ms that the other one may be silent before another path is looked for
const PAUSE = 5000; // ms between two attempts to find one

const room = decodeURIComponent(location.pathname.split('/').at(-1));
const capture = new Capture();
const screen = new Screen();
const table = new MediaTable();

let signalling = null;
let pc = null; // while the other one is here
let negotiation = null;
let chat = null;
let senders = {}; // by kind
let transfer = null; // AbortController of the file on its way
let timer = 0;
let servers = {}; // for RTCPeerConnection
let restart = 0; // the timer of the next attempt to find another path

document.title = `peer: room ${room}`;
$('room-name').textContent = room;
$('link').value = location.href;
$('copy').onclick = async () => {
  $('link').select();
  await navigator.clipboard?.writeText(location.href).catch(() => {}); // it is selected, too
};

// In and out

function join() {
  const mine = signalling = new Signalling(room);
  const on = (type, action) => mine.addEventListener(type, event => signalling === mine && action(event));
  on('waiting', () => { fail(''); show('waiting'); line('note', 'You are alone here.'); });
  on('joined', event => { fail(''); meet(event); });
  on('left', () => { part(); show('waiting'); line('note', 'The other one has left.'); });
  on('signal', ({ signal }) => negotiation?.received(signal).catch(trouble));
  on('lost', ({ reason }) => { part(); show('disconnected'); fail(reason); });
  on('closed', ({ reason }) => { leave('failed'); fail(reason); });
  show('connecting');
  $('join').hidden = true;
  $('leave').hidden = false;
  // Before the other one can be met.
  configuration().then(found => { servers = found; if (signalling === mine) mine.open(); });
}

function leave(state) {
  signalling?.close();
  signalling = null;
  part();
  capture.set({});
  show(state);
  $('join').hidden = false;
  $('leave').hidden = true;
}

$('join').onclick = () => { fail(''); join(); };
$('leave').onclick = () => leave('closed');
addEventListener('pagehide', () => leave('closed'));

// The call

function meet({ polite }) {
  part();
  const mine = pc = new RTCPeerConnection(servers);
  negotiation = new Negotiation(mine, polite, signal => pc === mine && signalling.send(signal), trouble);
  mine.ontrack = ({ track, streams: [stream] }) => {
    screen.show(track);
    // What is no longer sent is taken out of its stream (W3C webrtc-pc §5.1).
    stream?.addEventListener('removetrack', ({ track }) => screen.hide(track));
  };
  mine.onconnectionstatechange = () => {
    if (pc !== mine) return;
    state();
  };
  mine.oniceconnectionstatechange = () => pc === mine && path(mine);
  mine.ondatachannel = ({ channel }) => {
    channel.binaryType = 'arraybuffer';
    if (channel.label === 'chat' && !chat) talk(channel);
    else if (channel.label === 'file') take(channel);
    else channel.close();
  };
  show('connecting');
  line('note', 'The other one is here.');
  // Who was here first opens the chat, and so makes the first offer.
  if (!polite) talk(mine.createDataChannel('chat'));
  sendTracks();
  timer = setInterval(refresh, REFRESH);
}

function part() {
  clearInterval(timer);
  clearTimeout(restart);
  transfer?.abort();
  pc?.close();
  pc = negotiation = chat = null;
  senders = {};
  screen.clear();
  table.clear();
  for (const id of ['pair', 'encryption', 'stat-rtt', 'stat-sent', 'stat-received']) $(id).textContent = NOTHING;
  controls();
}

/** A lost path is replaced: ICE restarts, and channels and tracks go on over another one. */
function path(mine) {
  clearTimeout(restart);
  const lost = { disconnected: GRACE, failed: 0 }[mine.iceConnectionState];
  if (lost === undefined) return;
  const again = () => {
    if (pc !== mine) return;
    mine.restartIce(); // the negotiation follows by itself
    restart = setTimeout(again, PAUSE);
  };
  restart = setTimeout(again, lost);
}

function trouble(error) {
  fail(`The two browsers do not agree: ${error.message}`);
}

/** Connected means that the chat is open; that comes a moment after the connection. */
function state() {
  if (!pc) return;
  const connected = pc.connectionState === 'connected';
  show(connected && chat?.readyState !== 'open' ? 'connecting' : pc.connectionState);
}

function show(state) {
  document.body.dataset.state = state;
  $('state').textContent = state;
  controls();
}

function controls() {
  const open = chat?.readyState === 'open';
  for (const id of ['chat-input', 'chat-send']) $(id).disabled = !open;
  $('file-input').disabled = !open || Boolean(transfer);
  document.body.dataset.call = capture.video ? 'video' : capture.audio ? 'voice' : 'none';
}

buttons(capture);
capture.addEventListener('change', () => { sendTracks(); controls(); });

/** Sends what is switched on, and stops sending what is not; the negotiation follows by itself. */
function sendTracks() {
  if (!pc) return;
  for (const kind of ['audio', 'video']) {
    const track = capture[kind];
    if (senders[kind] && senders[kind].track !== track) {
      pc.removeTrack(senders[kind]);
      delete senders[kind];
    }
    if (track && !senders[kind]) senders[kind] = pc.addTrack(track, capture.stream);
  }
}

// Statistics

async function refresh() {
  const mine = pc;
  const reports = [...(await mine.getStats()).values()];
  if (pc !== mine) return;
  table.update(reports);
  const now = connectionNumbers(reports);
  if (now.local && now.remote) $('pair').textContent = `${endpoint(now.local)} ↔ ${endpoint(now.remote)}`;
  $('encryption').textContent = encryption(now) || NOTHING;
  $('stat-rtt').textContent = now.roundTrip === undefined ? NOTHING : milliseconds(now.roundTrip);
  $('stat-sent').textContent = octets(now.sent ?? 0);
  $('stat-received').textContent = octets(now.received ?? 0);
}

// Chat

function talk(channel) {
  chat = channel;
  chat.onopen = state;
  chat.onclose = () => chat === channel && controls();
  chat.onmessage = ({ data }) => line('theirs', typeof data === 'string' ? data : `${data.byteLength} octets`);
  state();
}

$('chat-form').onsubmit = event => {
  event.preventDefault();
  const text = $('chat-input').value;
  if (chat?.readyState !== 'open') return;
  chat.send(text);
  line('ours', text);
  $('chat-input').value = '';
};

// Files

files(file => {
  if (file.size > MAX_FILE) return result('failed', 'Larger than 1 GiB: more than the other page can keep in memory.');
  move('Sent', async signal => {
    progress(file, 0);
    const sent = await offerFile(file, pc.createDataChannel('file'), pc.sctp?.maxMessageSize, sent => progress(file, sent), signal);
    const rate = file.size / 1e6 / (sent.milliseconds / 1000);
    return { ...sent, text: `Arrived. ${(sent.milliseconds / 1000).toFixed(2)} s, ${rate.toFixed(1)} MB/s.` };
  });
});

/** The other one offers a file. One at a time: while one is on its way, another is declined. */
function take(channel) {
  const controller = new AbortController();
  if (transfer) return void takeFile(channel, async () => false, () => {}, controller.signal).catch(() => {});
  move('Received', async signal => {
    let offered;
    const decide = offer => { offered = offer; return decision(offer, signal); };
    const taken = await takeFile(channel, decide, received => progress(offered, received), signal);
    if (!taken) return null;
    Object.assign($('file-save'), { href: URL.createObjectURL(taken.copy), download: taken.name, hidden: false });
    return { ...taken, text: 'Received.' };
  });
}

/** Asks the person at this end. */
function decision({ name, size }, signal) {
  $('file-offered').textContent = `The other one offers “${name}” (${octets(size)}).`;
  $('file-offer').hidden = false;
  return new Promise(resolve => {
    const decided = answer => { $('file-offer').hidden = true; resolve(answer); };
    $('file-accept').onclick = () => decided(true);
    $('file-decline').onclick = () => decided(false);
    signal.addEventListener('abort', () => decided(false));
  });
}

/** Shows one transfer from its beginning to its end. */
async function move(way, action) {
  transfer = new AbortController();
  const { signal } = transfer;
  controls();
  result('busy', '');
  URL.revokeObjectURL($('file-save').href);
  $('file-save').hidden = $('checksums').hidden = $('transfer').hidden = true;
  $('file-way').textContent = way;
  $('file-cancel').hidden = false;
  try {
    const outcome = await action(signal);
    if (!outcome) return result('none', 'Declined.');
    $('checksum-ours').textContent = outcome.ours;
    $('checksum-theirs').textContent = outcome.theirs;
    $('checksums').hidden = false;
    if (outcome.ours !== outcome.theirs) throw new Error('The copy differs from the file.');
    result('identical', `${outcome.text} Both copies are identical.`);
  } catch (error) {
    result('failed', error.message);
  } finally {
    transfer = null;
    $('file-cancel').hidden = $('file-offer').hidden = true;
    controls();
  }
}

$('file-cancel').onclick = () => transfer?.abort();

function result(kind, text) {
  $('file').dataset.result = kind;
  $('file-result').textContent = text;
}

function progress({ name, size }, moved) {
  $('transfer').hidden = false;
  $('file-name').textContent = `${name} (${octets(size)})`;
  const part = size ? moved / size : 1;
  $('progress-moved').value = part;
  $('text-moved').textContent = `${Math.floor(part * 100)} %`;
}

join();
