// Files over data channels, with backpressure: to the peer and back, or to the other browser.

const MESSAGE = 64 * 1024; // octets; every WebRTC implementation takes that many
const READ = 1024 * 1024; // read from the file at once
const BUFFERED = 4 * 1024 * 1024; // waiting in the browser before we pause
const STALL = 15_000; // ms without an octet in either direction
const PATIENCE = 300_000; // ms for a person to accept a file
const MAX_WAITING = 64 * 1024 * 1024; // octets that came and were not taken yet
const MAX_NAME = 255; // characters of a file's name that are shown

/** The most that can be kept in memory and given to `crypto.subtle` in one piece. */
export const MAX_FILE = 1024 ** 3;

/**
 * Sends `file` on `channel` and collects what comes back. Calls `progress(sent, returned)`.
 * Resolves with the returned copy as a Blob and the milliseconds between first and last octet.
 */
export async function sendAndReturn(file, channel, maxMessageSize, progress, signal) {
  const watch = new Watch(channel, signal, STALL);
  const returned = [];
  let sent = 0, back = 0;
  try {
    await watch.race(opened(channel, watch.signal));
    const start = performance.now();
    const complete = new Promise((resolve, reject) => {
      channel.addEventListener('message', ({ data }) => {
        watch.moved();
        if (typeof data === 'string') return reject(new Error('Binary came back as text.'));
        returned.push(data);
        back += data.byteLength;
        progress(sent, back);
        if (back > file.size) reject(new Error('More came back than was sent.'));
        // An empty file is one empty message.
        if (back === file.size) resolve();
      }, { signal: watch.signal });
    });
    complete.catch(() => {});
    if (file.size === 0) channel.send(new Uint8Array(0));
    await pour(file, channel, maxMessageSize, watch, gone => progress(sent = gone, back));
    await watch.race(complete);
    const milliseconds = performance.now() - start;
    progress(file.size, back);
    return { copy: new Blob(returned), milliseconds };
  } finally {
    watch.end();
    channel.close();
  }
}

/**
 * Offers `file` to the browser at the other end of `channel` and sends it once accepted:
 *
 *     {"name":"a.txt","size":5}  ►          ◄ {"accepted":true}
 *     octets …                   ►
 *     {"sha256":"2cf2…"}         ►          ◄ {"sha256":"2cf2…"}   of what arrived
 *
 * Calls `progress(sent)`. Resolves with both checksums and the milliseconds it took.
 */
export async function offerFile(file, channel, maxMessageSize, progress, signal) {
  const watch = new Watch(channel, signal, PATIENCE);
  try {
    await watch.race(opened(channel, watch.signal));
    const answers = inbox(channel, watch.signal);
    channel.send(JSON.stringify({ name: file.name, size: file.size }));
    if (!text(await watch.race(answers.next())).accepted) throw new Error('The other one does not want it.');
    watch.patience = STALL;
    const start = performance.now();
    // The whole file is read once more for the checksum, which no API computes in pieces.
    const ours = sha256(file);
    await pour(file, channel, maxMessageSize, watch, progress);
    channel.send(JSON.stringify({ sha256: await watch.race(ours) }));
    watch.patience = PATIENCE;
    const theirs = String(text(await watch.race(answers.next())).sha256 ?? '').slice(0, 64);
    progress(file.size);
    return { ours: await ours, theirs, milliseconds: performance.now() - start };
  } finally {
    watch.end();
    channel.close();
  }
}

/**
 * The other side of `offerFile`. `decide({ name, size })` resolves with whether to accept, `progress(received)` is called.
 * Resolves with `null` if not, or with the file as a Blob, its name and both checksums.
 */
export async function takeFile(channel, decide, progress, signal) {
  const watch = new Watch(channel, signal, PATIENCE);
  try {
    const messages = inbox(channel, watch.signal);
    const { name, size } = text(await watch.race(messages.next()));
    if (typeof name !== 'string' || !Number.isSafeInteger(size) || size < 0) throw new Error('The offer of a file makes no sense.');
    if (size > MAX_FILE) throw new Error('The file is larger than 1 GiB: more than this page can keep in memory.');
    const accepted = await watch.race(decide({ name: name.slice(0, MAX_NAME), size }));
    channel.send(JSON.stringify({ accepted }));
    if (!accepted) return null;
    watch.patience = STALL;
    const pieces = [];
    let received = 0;
    while (received < size) {
      const piece = await watch.race(messages.next());
      if (typeof piece === 'string') throw new Error('The file ended before its end.');
      pieces.push(piece);
      received += piece.byteLength;
      progress(received);
    }
    if (received > size) throw new Error('The file is longer than was said.');
    watch.patience = PATIENCE;
    const theirs = String(text(await watch.race(messages.next())).sha256 ?? '').slice(0, 64);
    // Never a type that a browser would show as part of this page.
    const copy = new Blob(pieces, { type: 'application/octet-stream' });
    const ours = await sha256(copy);
    channel.send(JSON.stringify({ sha256: ours }));
    return { copy, name: name.slice(0, MAX_NAME), ours, theirs };
  } finally {
    watch.end();
    channel.close();
  }
}

/** Sends the octets of `file`; pauses while much of it waits in the browser. */
async function pour(file, channel, maxMessageSize, watch, progress) {
  const size = Math.min(MESSAGE, maxMessageSize || MESSAGE);
  let sent = 0;
  channel.bufferedAmountLowThreshold = BUFFERED / 4;
  for (let at = 0; at < file.size; at += READ) {
    const piece = await watch.race(file.slice(at, at + READ).arrayBuffer());
    for (let from = 0; from < piece.byteLength; from += size) {
      if (channel.bufferedAmount > BUFFERED) await watch.race(low(channel, watch.signal));
      const message = new Uint8Array(piece, from, Math.min(size, piece.byteLength - from));
      channel.send(message);
      sent += message.byteLength;
      watch.moved();
      progress(sent - channel.bufferedAmount);
    }
  }
}

/** Ends a transfer that cannot go on: cancelled, the channel closed, or nothing moves. */
class Watch {
  #controller = new AbortController();
  #aborted;
  #last = performance.now();

  constructor(channel, signal, patience) {
    this.patience = patience;
    this.#aborted = new Promise((_, reject) => {
      const fail = reason => reject(new Error(reason));
      const options = { signal: this.signal };
      if (signal.aborted) fail('Cancelled.');
      signal.addEventListener('abort', () => fail('Cancelled.'), options);
      channel.addEventListener('close', () => fail('The channel was closed.'), options);
      channel.addEventListener('error', () => fail('The channel failed.'), options);
      channel.addEventListener('message', () => this.moved(), options);
      const timer = setInterval(() => {
        if (performance.now() - this.#last > this.patience) fail(`Nothing moved for ${this.patience / 1000} seconds.`);
      }, 1000);
      this.signal.addEventListener('abort', () => clearInterval(timer));
    });
    this.#aborted.catch(() => {});
  }

  get signal() { return this.#controller.signal; }
  moved() { this.#last = performance.now(); }
  race(promise) { return Promise.race([promise, this.#aborted]); }
  end() { this.#controller.abort(); }
}

const opened = (channel, signal) => new Promise(resolve => {
  if (channel.readyState === 'open') resolve();
  else channel.addEventListener('open', resolve, { once: true, signal });
});

const low = (channel, signal) => new Promise(resolve => {
  channel.addEventListener('bufferedamountlow', resolve, { once: true, signal });
});

/** The messages of a channel, one at a time. */
function inbox(channel, signal) {
  const messages = [], waiting = [];
  let size = 0;
  channel.addEventListener('message', ({ data }) => {
    if (waiting.length) return waiting.shift()(data);
    messages.push(data);
    // Nobody has asked for that much.
    if ((size += data.byteLength ?? data.length) > MAX_WAITING) channel.close();
  }, { signal });
  const take = () => {
    const data = messages.shift();
    size -= data.byteLength ?? data.length;
    return data;
  };
  return { next: () => messages.length ? Promise.resolve(take()) : new Promise(resolve => waiting.push(resolve)) };
}

/** The object in a text message. */
function text(message) {
  const object = typeof message === 'string' ? JSON.parse(message) : null;
  if (!object || typeof object !== 'object') throw new Error('The other side sent something else than agreed.');
  return object;
}

/** The SHA-256 of a Blob, in hexadecimal. */
export async function sha256(blob) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  return Array.from(digest, octet => octet.toString(16).padStart(2, '0')).join('');
}
