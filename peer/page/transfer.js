// A file to the peer and back, on a channel of its own, with backpressure.

const MESSAGE = 64 * 1024; // octets; every WebRTC implementation takes that many
const READ = 1024 * 1024; // read from the file at once
const BUFFERED = 4 * 1024 * 1024; // waiting in the browser before we pause
const STALL = 15_000; // ms without an octet in either direction

/** The most that can be kept in memory and given to `crypto.subtle` in one piece. */
export const MAX_FILE = 1024 ** 3;

/**
 * Sends `file` on `channel` and collects what comes back. Calls `progress(sent, returned)`.
 * Resolves with the returned copy as a Blob and the milliseconds between first and last octet.
 */
export async function sendAndReturn(file, channel, maxMessageSize, progress, signal) {
  const returned = [];
  let sent = 0, back = 0, last = performance.now();
  const watch = new AbortController();
  const aborted = new Promise((_, reject) => {
    const fail = reason => reject(new Error(reason));
    signal.addEventListener('abort', () => fail('Cancelled.'), { signal: watch.signal });
    channel.addEventListener('close', () => fail('The channel was closed.'), { signal: watch.signal });
    channel.addEventListener('error', () => fail('The channel failed.'), { signal: watch.signal });
    const timer = setInterval(() => {
      if (performance.now() - last > STALL) fail('Nothing moved for 15 seconds.');
    }, 1000);
    watch.signal.addEventListener('abort', () => clearInterval(timer));
  });
  aborted.catch(() => {});

  try {
    await Promise.race([aborted, opened(channel, watch.signal)]);
    const start = performance.now();
    const complete = new Promise((resolve, reject) => {
      channel.addEventListener('message', ({ data }) => {
        last = performance.now();
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

    const size = Math.min(MESSAGE, maxMessageSize || MESSAGE);
    channel.bufferedAmountLowThreshold = BUFFERED / 4;
    if (file.size === 0) channel.send(new Uint8Array(0));
    for (let at = 0; at < file.size; at += READ) {
      const piece = await Promise.race([aborted, file.slice(at, at + READ).arrayBuffer()]);
      for (let from = 0; from < piece.byteLength; from += size) {
        if (channel.bufferedAmount > BUFFERED) await Promise.race([aborted, low(channel, watch.signal)]);
        const message = new Uint8Array(piece, from, Math.min(size, piece.byteLength - from));
        channel.send(message);
        sent += message.byteLength;
        last = performance.now();
        progress(sent - channel.bufferedAmount, back);
      }
    }
    await Promise.race([aborted, complete]);
    const milliseconds = performance.now() - start;
    progress(sent, back);
    return { copy: new Blob(returned), milliseconds };
  } finally {
    watch.abort();
    channel.close();
  }
}

const opened = (channel, signal) => new Promise(resolve => {
  if (channel.readyState === 'open') resolve();
  else channel.addEventListener('open', resolve, { once: true, signal });
});

const low = (channel, signal) => new Promise(resolve => {
  channel.addEventListener('bufferedamountlow', resolve, { once: true, signal });
});

/** The SHA-256 of a Blob, in hexadecimal. */
export async function sha256(blob) {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  return Array.from(digest, octet => octet.toString(16).padStart(2, '0')).join('');
}
