// One connection to the program that served this page: offer, answer and candidates over HTTP, as WHIP has it
// (RFC 9725), and later offers of the same kind when something is to be sent or received that was not before.

import { configuration } from '/ice.js';
import { connectionNumbers } from '/statistics.js';

const OPEN_TIMEOUT = 20_000; // ms
const GRACE = 1000; // ms that a peer may be silent before another path is looked for
const FIRST_PAUSE = 2000; // ms between two attempts to find one, at first
const LONGEST_PAUSE = 8000; // ms
const GIVE_UP = 25_000; // ms after which a lost path counts as lost for good

/** Dispatches `state` when the connection's state changes, `track` for what the peer sends and `closed` when it is over. */
export class Connection extends EventTarget {
  #pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  #lost = null; // since when there is no path, by performance.now(); a path that never was is not lost
  #timer = 0; // until the next attempt to find another
  #pause = FIRST_PAUSE;
  #connected = false; // ever
  #path;
  #token;
  #offer = ''; // as it was sent
  #answer = ''; // as it was received
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
    this.#pc.oniceconnectionstatechange = () => this.#pathChanged();
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
    const servers = await configuration();
    if (this.#over) return; // disconnected meanwhile
    this.#pc.setConfiguration({ bundlePolicy: 'max-bundle', ...servers });
    await this.#pc.setLocalDescription();
    this.#offer = this.#pc.localDescription.sdp;
    const response = await this.#request(this.#path, 'POST', 'application/sdp', this.#offer);
    const body = await response.text();
    if (response.status !== 201) throw refusal(response, body);
    this.#session = new URL(response.headers.get('Location'), response.url).href;
    this.#etag = response.headers.get('ETag');
    if (this.#over) return void this.#forget(); // disconnected meanwhile
    this.#answer = body;
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
      if (!response.ok) throw refusal(response, body);
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
    const body = [...this.#section(this.#pc.localDescription.sdp), line].join('\r\n') + '\r\n';
    this.#patches = this.#patches
      .then(() => this.#over || this.#request(this.#session, 'PATCH', 'application/trickle-ice-sdpfrag', body))
      .catch(() => {}); // the connection decides whether it was needed
  }

  /** RFC 8840: whose candidates these are, then the section they belong to; then come the candidates. */
  #section(sdp) {
    const attribute = name => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0].trim();
    return [attribute('ice-ufrag'), attribute('ice-pwd'), sdp.match(/^m=.*$/m)?.[0].trim(), attribute('mid')].filter(Boolean);
  }

  #stateChanged() {
    this.#connected ||= this.state === 'connected';
    this.dispatchEvent(new Event('state'));
    // Without a path there may be another one; without trust in the peer there is nothing left.
    const isOver = this.state === 'failed' && this.#lost === null;
    if (isOver || this.state === 'closed') this.#end();
  }

  // A lost path: ICE restarts, and the channels and tracks go on over another one (RFC 8445 §9).

  #pathChanged() {
    const state = this.#pc.iceConnectionState;
    if (state === 'connected' || state === 'completed') {
      clearTimeout(this.#timer);
      this.#lost = null;
      this.#pause = FIRST_PAUSE;
    } else if (this.#lost === null && this.#connected && (state === 'disconnected' || state === 'failed')) {
      this.#lost = performance.now();
      this.#timer = setTimeout(() => this.#restart(), state === 'failed' ? 0 : GRACE);
    }
  }

  async #restart() {
    if (this.#over) return;
    if (performance.now() - this.#lost > GIVE_UP) return this.#end();
    try {
      await (this.#path === '/offer' ? this.change(() => this.#pc.restartIce()) : this.#restartByFragment());
    } catch (error) {
      if (error.status === 404) return this.#end(); // the peer has ended the session
    }
    if (this.#over || this.#lost === null) return;
    this.#timer = setTimeout(() => this.#restart(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  /** As WHIP has it (RFC 9725 §4.3.3): only credentials and candidates go to and fro. Candidates wait meanwhile. */
  #restartByFragment() {
    const restarted = this.#patches.then(async () => {
      this.#pc.restartIce();
      await this.#pc.setLocalDescription();
      try {
        const sdp = this.#pc.localDescription.sdp;
        const lines = [...this.#section(sdp), ...candidates(sdp)];
        const response = await this.#request(this.#session, 'PATCH', 'application/trickle-ice-sdpfrag', lines.join('\r\n') + '\r\n');
        const body = await response.text();
        if (response.status !== 200) throw refusal(response, body);
        this.#etag = response.headers.get('ETag') ?? this.#etag;
        this.#offer = sdp;
        this.#answer = renewed(this.#answer, body);
        await this.#pc.setRemoteDescription({ type: 'answer', sdp: this.#answer });
      } catch (error) {
        if (this.#pc.signalingState === 'have-local-offer') await this.#pc.setLocalDescription({ type: 'rollback' });
        throw error;
      }
    });
    this.#patches = restarted.catch(() => {});
    return restarted;
  }

  /** The peer is gone: its channels closed under us. */
  lost() {
    this.#end();
  }

  #end() {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
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
  const reason = `The peer refused the offer (${status}): ${body.trim().slice(0, 300)}`;
  return Object.assign(new Error(reason), { status });
}

/** The lines about candidates. */
function candidates(sdp) {
  return sdp.split('\r\n').filter(line => line.startsWith('a=candidate:') || line === 'a=end-of-candidates');
}

/** The answer with the credentials and candidates of a fragment. */
function renewed(answer, fragment) {
  const credentials = name => fragment.match(new RegExp(`^a=${name}:.*$`, 'm'))?.[0].trim();
  const [ufrag, password, news] = [credentials('ice-ufrag'), credentials('ice-pwd'), candidates(fragment)];
  const old = new Set(candidates(answer));
  return answer.split('\r\n').filter(line => !old.has(line)).flatMap(line => {
    if (line.startsWith('a=ice-ufrag:')) return ufrag;
    // In a bundle the candidates stand in the first section that is accepted.
    return line.startsWith('a=ice-pwd:') ? [password, ...news.splice(0)] : line;
  }).join('\r\n');
}
