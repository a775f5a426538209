// The numbers that the pages show, out of the many in getStats (W3C webrtc-stats).

import { $, NOTHING, bitRate, milliseconds } from '/view.js';

/** What is known about the connection below all media and channels. */
export function connectionNumbers(reports) {
  const byId = id => reports.find(report => report.id === id);
  const transport = reports.find(({ type }) => type === 'transport');
  const pair = byId(transport?.selectedCandidatePairId)
    ?? reports.find(({ type, nominated, state }) => type === 'candidate-pair' && nominated && state === 'succeeded');
  const sum = name => reports.filter(({ type }) => type === 'data-channel')
    .reduce((total, report) => total + (report[name] ?? 0), 0);
  const connection = reports.find(({ type }) => type === 'peer-connection');
  return {
    local: byId(pair?.localCandidateId),
    remote: byId(pair?.remoteCandidateId),
    roundTrip: pair?.currentRoundTripTime,
    // On the wire: the figures of a channel vanish with it.
    sent: pair?.bytesSent ?? transport?.bytesSent, received: pair?.bytesReceived ?? transport?.bytesReceived,
    messagesSent: sum('messagesSent'), messagesReceived: sum('messagesReceived'),
    opened: connection?.dataChannelsOpened, closed: connection?.dataChannelsClosed,
    cipher: transport?.dtlsCipher, version: transport?.tlsVersion, srtp: transport?.srtpCipher,
  };
}

/** `192.0.2.1:5000 (host)`; browsers hide some addresses from pages. */
export function endpoint({ address, ip, port, candidateType }) {
  const host = address || ip;
  const name = host ? (host.includes(':') ? `[${host}]` : host) : 'hidden';
  return `${name}:${port} (${candidateType})`;
}

/** `DTLS 1.2, TLS_…` */
export function encryption({ version, cipher, srtp }) {
  const versions = { FEFD: 'DTLS 1.2', FEFC: 'DTLS 1.3' };
  return [versions[version], cipher, srtp].filter(Boolean).join(', ');
}

/** The rows of the table: name, label, and how to write the value. */
const ROWS = [
  ['codec', 'Codec', value => value],
  ['rate-out', 'Rate out', bitRate],
  ['rate-in', 'Rate in', bitRate],
  ['lost', 'Packets lost', String],
  ['jitter', 'Jitter', milliseconds],
  ['rtt', 'Round trip', milliseconds],
  ['frames', 'Frames shown', String],
  ['fps', 'Frames a second', value => value.toFixed(0)],
  ['size', 'Size', value => value],
];
const VIDEO_ONLY = ['frames', 'fps', 'size'];
const KINDS = ['audio', 'video'];

/** A table of what is sent and received of each kind, in `#media-statistics`: cells `#stat-KIND-NAME`. */
export class MediaTable {
  #before = null;

  constructor() {
    const cell = (tag, text, attributes = {}) => {
      const element = Object.assign(document.createElement(tag), attributes);
      element.textContent = text;
      return element;
    };
    const row = cells => { const tr = document.createElement('tr'); tr.append(...cells); return tr; };
    const [head, body] = [document.createElement('thead'), document.createElement('tbody')];
    head.append(row([cell('td', ''), ...KINDS.map(kind => cell('th', kind, { scope: 'col' }))]));
    for (const [name, label] of ROWS) {
      body.append(row([cell('th', label, { scope: 'row' }), ...KINDS.map(kind =>
        kind === 'audio' && VIDEO_ONLY.includes(name) ? cell('td', '') : cell('td', NOTHING, { id: `stat-${kind}-${name}` }))]));
    }
    $('media-statistics').append(head, body);
  }

  clear() {
    this.#before = null;
    for (const td of document.querySelectorAll('#media-statistics td[id]')) td.textContent = NOTHING;
  }

  /** Shows the numbers of these reports; rates are since the last call. */
  update(reports) {
    const now = { time: performance.now() };
    for (const kind of KINDS) {
      const numbers = now[kind] = mediaNumbers(reports, kind);
      const before = this.#before?.[kind];
      const rate = name => before?.[name] === undefined || numbers[name] === undefined ? undefined
        : Math.max(0, numbers[name] - before[name]) * 8000 / (now.time - this.#before.time);
      const values = { ...numbers, 'rate-out': rate('sent'), 'rate-in': rate('received') };
      for (const [name, , write] of ROWS) {
        const td = $(`stat-${kind}-${name}`);
        if (td) td.textContent = values[name] === undefined ? NOTHING : write(values[name]);
      }
    }
    this.#before = now;
  }
}

/** The numbers of one kind. Streams that have ended stay in some browsers' statistics: they are left out of all but sums. */
function mediaNumbers(reports, kind) {
  const of = type => reports.filter(report => report.type === type && report.kind === kind);
  const [inbound, outbound, remote] = [of('inbound-rtp'), of('outbound-rtp'), of('remote-inbound-rtp')];
  const sum = (list, name) => list.length ? list.reduce((total, report) => total + (report[name] ?? 0), 0) : undefined;
  const latest = (list, name) => list.filter(report => report[name] !== undefined)
    .reduce((a, b) => ((a?.lastPacketReceivedTimestamp ?? 0) > (b.lastPacketReceivedTimestamp ?? 0) ? a : b), undefined)?.[name];
  const codecId = latest(inbound, 'codecId') ?? latest(outbound, 'codecId');
  const codec = reports.find(({ id }) => id === codecId)?.mimeType?.split('/')[1];
  const [width, height] = [latest(inbound, 'frameWidth') ?? latest(outbound, 'frameWidth'), latest(inbound, 'frameHeight') ?? latest(outbound, 'frameHeight')];
  return {
    codec,
    sent: sum(outbound, 'bytesSent'), received: sum(inbound, 'bytesReceived'),
    // Who only sends knows it from the other side's reports.
    lost: sum(inbound, 'packetsLost') ?? sum(remote, 'packetsLost'),
    jitter: latest(inbound, 'jitter') ?? latest(remote, 'jitter'),
    rtt: latest(remote, 'roundTripTime'),
    frames: sum(inbound, 'framesDecoded'), fps: latest(inbound, 'framesPerSecond') ?? latest(outbound, 'framesPerSecond'),
    size: width && height ? `${width} × ${height}` : undefined,
  };
}
