// The way to the other one in a room: a WebSocket to the server, which passes messages on.

const REFUSED = 4000; // close code: the server does not want us in
const GOING_AWAY = 1001;
const FIRST_PAUSE = 500; // ms before the first new try
const LONGEST_PAUSE = 10_000; // ms

/**
 * Dispatches `waiting`, `joined` (with `call` and `polite`), `left`, `signal` (with `signal`), `lost` (with `reason`) when
 * the server is gone and is being called again, and `closed` (with `reason`) when that makes no sense.
 */
export class Signalling extends EventTarget {
  #room;
  #socket = null;
  #call = 0;
  #pause = FIRST_PAUSE;
  #timer = 0;
  #over = false;

  constructor(room) {
    super();
    this.#room = room;
  }

  /** Goes in. */
  open() {
    const url = new URL(`/room/${this.#room}/socket`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = this.#socket = new WebSocket(url);
    socket.onmessage = ({ data }) => this.#received(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.#closed(code, reason);
  }

  /** Tells the other one, if there is one. */
  send(signal) {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    const type = 'description' in signal ? 'description' : 'candidate';
    this.#socket.send(JSON.stringify({ type, call: this.#call, ...signal }));
  }

  /** Goes out. */
  close() {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket.close();
  }

  #received({ type, ...content }) {
    this.#pause = FIRST_PAUSE;
    if (type === 'joined') this.#call = content.call;
    if (type === 'description' || type === 'candidate') {
      // Only of the call that is on; the server sees to that, too.
      if (content.call === this.#call) this.#tell('signal', { signal: content });
    } else {
      this.#tell(type, content);
    }
  }

  #closed(code, reason) {
    if (this.#over) return;
    if (code === REFUSED) {
      this.#over = true;
      return this.#tell('closed', { reason });
    }
    this.#tell('lost', { reason: reason && code !== GOING_AWAY ? reason : 'The server does not answer; trying again …' });
    this.#timer = setTimeout(() => this.open(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  #tell(type, details) {
    this.dispatchEvent(Object.assign(new Event(type), details));
  }
}
