// One connection to the peer that served this page: offer, answer and candidates over HTTP
// (the shape of WHIP, RFC 9725), then channels.

const OPEN_TIMEOUT = 20_000; // ms

/** Dispatches `state` when the connection's state changes and `closed` when it is over. */
export class Connection extends EventTarget {
  #pc = new RTCPeerConnection();
  #offer = ''; // as it was sent
  #session = null; // URL, once the offer was answered
  #candidates = []; // of ours, while there is no session to send them to
  #patches = Promise.resolve(); // candidates go in order, one request at a time
  #over = false;

  constructor() {
    super();
    this.#pc.onicecandidate = ({ candidate }) => this.#trickle(candidate);
    this.#pc.onconnectionstatechange = () => this.#stateChanged();
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
    await this.#negotiate();
    return { channel, milliseconds: await opened };
  }

  /** A new channel on this connection. */
  channel(label) {
    const channel = this.#pc.createDataChannel(label);
    channel.binaryType = 'arraybuffer';
    return channel;
  }

  async #negotiate() {
    await this.#pc.setLocalDescription();
    this.#offer = this.#pc.localDescription.sdp;
    let response;
    try {
      response = await fetch('/offer', {
        method: 'POST',
        headers: { 'Content-Type': 'application/sdp' },
        body: this.#offer,
      });
    } catch {
      throw new Error('The peer program does not answer. Is it still running?');
    }
    const body = await response.text();
    if (response.status !== 201) throw new Error(`The peer refused the offer (${response.status}): ${body}`);
    this.#session = new URL(response.headers.get('Location'), location.href).href;
    if (this.#over) return void this.#forget(); // disconnected meanwhile
    await this.#pc.setRemoteDescription({ type: 'answer', sdp: body });
    for (const candidate of this.#candidates.splice(0)) this.#patch(candidate);
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
      .then(() => this.#over || fetch(this.#session, {
        method: 'PATCH', headers: { 'Content-Type': 'application/trickle-ice-sdpfrag' }, body,
      }))
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
    // `keepalive`: also when the page is being left.
    if (session) await fetch(session, { method: 'DELETE', keepalive: true }).catch(() => {});
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

  /** The statistics that the page shows, out of the many there are. */
  async statistics() {
    const reports = [...(await this.#pc.getStats()).values()];
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
      cipher: transport?.dtlsCipher, version: transport?.tlsVersion,
    };
  }
}
