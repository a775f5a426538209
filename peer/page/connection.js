// One connection to the program that served this page: offer, answer and candidates over HTTP, as WHIP has it
// (RFC 9725), and later offers of the same kind when something is to be sent or received that was not before.

import { connectionNumbers } from '/statistics.js';

const OPEN_TIMEOUT = 20_000; // ms

/** Dispatches `state` when the connection's state changes, `track` for what the peer sends and `closed` when it is over. */
export class Connection extends EventTarget {
  #pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  #path;
  #token;
  #offer = ''; // as it was sent
  #session = null; // URL, once the offer was answered
  #etag = null; // which set of ICE credentials the session has, if it says so
  #candidates = []; // of ours, while there is no session to send them to
  #patches = Promise.resolve(); // candidates go in order, one request at a time
  #changes = Promise.resolve(); // and so do offers
  #over = false;

  /** `path` is where offers go: `/offer`, `/whip` or `/whep`, the latter two with a token if they want one. */
  constructor(path = '/offer', token = '') {
    super();
    this.#path = path;
    this.#token = token;
    this.#pc.onicecandidate = ({ candidate }) => this.#trickle(candidate);
    this.#pc.onconnectionstatechange = () => this.#stateChanged();
    this.#pc.ontrack = ({ track, transceiver }) =>
      this.dispatchEvent(Object.assign(new Event('track'), { track, transceiver }));
  }

  /** Opens a channel; resolves once it is open, with the milliseconds that took. */
  async open(label) {
    const start = performance.now();
    const channel = this.channel(label);
    const opened = new Promise((resolve, reject) => {
      channel.addEventListener('open', () => resolve(performance.now() - start));
      channel.addEventListener('close', () => reject(new Error('The peer closed the channel before it was open.')));
      this.addEventListener('closed', () => reject(new Error('The connection failed.')));
      setTimeout(() => reject(new Error('No connection within 20 seconds.')), OPEN_TIMEOUT);
    });
    opened.catch(() => {}); // reported below, unless the offer fails first
    await this.start();
    return { channel, milliseconds: await opened };
  }

  /** A new channel on this connection. */
  channel(label) {
    const channel = this.#pc.createDataChannel(label);
    channel.binaryType = 'arraybuffer';
    return channel;
  }

  /** To be sent with the next offer; `receive` says whether something is expected back. */
  send(track, stream, receive) {
    return this.#pc.addTransceiver(track, { direction: receive ? 'sendrecv' : 'sendonly', streams: [stream] });
  }

  /** To be received with the next offer. */
  receive(kind) {
    return this.#pc.addTransceiver(kind, { direction: 'recvonly' });
  }

  /** The first offer, which makes the session. */
  async start() {
    await this.#pc.setLocalDescription();
    this.#offer = this.#pc.localDescription.sdp;
    const response = await this.#request(this.#path, 'POST', 'application/sdp', this.#offer);
    const body = await response.text();
    if (response.status !== 201) throw new Error(refusal(response, body));
    this.#session = new URL(response.headers.get('Location'), response.url).href;
    this.#etag = response.headers.get('ETag');
    if (this.#over) return void this.#forget(); // disconnected meanwhile
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: body });
    for (const candidate of this.#candidates.splice(0)) this.#patch(candidate);
  }

  /**
   * Adds or stops transceivers, as `change()` does and returns, and offers what comes of it. When the peer does not
   * agree, the transceivers that were added are stopped again. One change at a time.
   */
  change(change) {
    const result = this.#changes.then(() => this.#change(change));
    this.#changes = result.catch(() => {});
    return result;
  }

  async #change(change) {
    const before = new Set(this.#pc.getTransceivers());
    const result = change();
    try {
      await this.#pc.setLocalDescription();
      const offer = this.#pc.localDescription.sdp;
      const response = await this.#request(this.#session, 'POST', 'application/sdp', offer);
      const body = await response.text();
      if (!response.ok) throw new Error(refusal(response, body));
      this.#offer = offer;
      await this.#pc.setRemoteDescription({ type: 'answer', sdp: body });
    } catch (error) {
      if (!this.#over) {
        if (this.#pc.signalingState === 'have-local-offer') await this.#pc.setLocalDescription({ type: 'rollback' });
        for (const transceiver of this.#pc.getTransceivers()) if (!before.has(transceiver)) transceiver.stop();
      }
      throw error;
    }
    return result;
  }

  async #request(url, method, type, body) {
    const headers = {};
    if (type) headers['Content-Type'] = type;
    if (this.#token) headers.Authorization = `Bearer ${this.#token}`;
    if (method === 'PATCH' && this.#etag) headers['If-Match'] = this.#etag;
    try {
      // `keepalive`: the farewell also goes out when the page is being left.
      return await fetch(url, { method, headers, body, keepalive: method === 'DELETE' });
    } catch {
      throw new Error('The peer program does not answer. Is it still running?');
    }
  }

  /** Candidates found after the offer was sent follow it (trickle ICE, RFC 8838); `null` is the end of them. */
  #trickle(candidate) {
    if (this.#session) this.#patch(candidate);
    else this.#candidates.push(candidate);
  }

  #patch(candidate) {
    const line = candidate?.candidate ? `a=${candidate.candidate}` : 'a=end-of-candidates';
    if (this.#over || this.#offer.includes(`${line}\r\n`)) return;
    const sdp = this.#pc.localDescription.sdp;
    const attribute = name => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0].trim();
    // RFC 8840: whose candidates these are, then the section they belong to, then the candidates.
    const lines = [attribute('ice-ufrag'), attribute('ice-pwd'),
      sdp.match(/^m=.*$/m)?.[0].trim(), attribute('mid'), line];
    const body = lines.filter(Boolean).join('\r\n') + '\r\n';
    this.#patches = this.#patches
      .then(() => this.#over || this.#request(this.#session, 'PATCH', 'application/trickle-ice-sdpfrag', body))
      .catch(() => {}); // the connection decides whether it was needed
  }

  #stateChanged() {
    this.dispatchEvent(new Event('state'));
    if (this.state === 'failed' || this.state === 'closed') this.#end();
  }

  /** The peer is gone: its channels closed under us. */
  lost() {
    this.#end();
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    this.#pc.close();
    this.dispatchEvent(new Event('state'));
    this.dispatchEvent(new Event('closed'));
  }

  /** Ends the session at the peer, then here. */
  async close() {
    if (this.#over) return;
    const forgotten = this.#forget();
    this.#end();
    await forgotten;
  }

  async #forget() {
    const session = this.#session;
    this.#session = null;
    if (session) await this.#request(session, 'DELETE').catch(() => {});
  }

  get state() { return this.#pc.connectionState; }
  get session() { return this.#session; }
  get maxMessageSize() { return this.#pc.sctp?.maxMessageSize ?? 65_536; }

  /** What the peer itself knows about this session. */
  async describe() {
    if (!this.#session || this.#over) return null;
    const response = await fetch(this.#session).catch(() => null);
    return response?.ok ? response.json() : null;
  }

  /** All the browser's statistics, as a list. */
  async reports() {
    return [...(await this.#pc.getStats()).values()];
  }

  /** Those of the connection as a whole. */
  async statistics() {
    return connectionNumbers(await this.reports());
  }
}

function refusal({ status }, body) {
  return `The peer refused the offer (${status}): ${body.trim().slice(0, 300)}`;
}
