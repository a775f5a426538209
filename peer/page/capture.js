// The microphone and the camera, and the buttons that switch them.

import { $, fail } from '/view.js';

const NAMES = { audio: 'microphone', video: 'camera' };

/** What is switched on; dispatches `change` when that changes. */
export class Capture extends EventTarget {
  /** The tracks belong to one stream, so that the other side plays them in step. */
  stream = new MediaStream();
  #work = Promise.resolve();

  get audio() { return this.stream.getAudioTracks()[0] ?? null; }
  get video() { return this.stream.getVideoTracks()[0] ?? null; }

  /** Switches on and off until it is as wanted; rejects with a sentence. One at a time. */
  set(wanted) {
    return this.#work = this.#work.catch(() => {}).then(() => this.#set(wanted));
  }

  async #set(wanted) {
    const kinds = Object.keys(NAMES);
    for (const kind of kinds.filter(kind => this[kind] && !wanted[kind])) this.#remove(this[kind]);
    const missing = kinds.filter(kind => wanted[kind] && !this[kind]);
    try {
      if (missing.length) for (const track of await tracks(missing)) this.#add(track);
    } finally {
      this.dispatchEvent(new Event('change'));
    }
  }

  #add(track) {
    this.stream.addTrack(track);
    // Unplugged, or forbidden in the address bar.
    track.addEventListener('ended', () => {
      this.#remove(track);
      this.dispatchEvent(new Event('change'));
    });
  }

  #remove(track) {
    track.stop();
    this.stream.removeTrack(track);
  }
}

/** The tracks of these kinds, or of those that the machine has. */
async function tracks(kinds) {
  if (!navigator.mediaDevices) {
    throw new Error('Browsers give microphone and camera only to pages from localhost or over https.');
  }
  const ask = async kinds => (await navigator.mediaDevices.getUserMedia(
    Object.fromEntries(kinds.map(kind => [kind, true])))).getTracks();
  try {
    return await ask(kinds);
  } catch (error) {
    // Who has a camera but no microphone can be seen.
    if (error.name === 'NotFoundError' && kinds.length > 1) {
      const some = await Promise.allSettled(kinds.map(kind => ask([kind])));
      const found = some.flatMap(({ value }) => value ?? []);
      if (found.length) return found;
    }
    throw new Error(sentence(error, kinds));
  }
}

function sentence({ name, message }, kinds) {
  const what = kinds.map(kind => NAMES[kind]).join(' and ');
  switch (name) {
    case 'NotAllowedError': return `The browser does not let this page use the ${what}; allow it beside the address and try again.`;
    case 'NotFoundError': return `This machine has no ${what}.`;
    case 'NotReadableError': return `The ${what} cannot be used; another program may be using it.`;
    default: return `The ${what} cannot be used: ${message}`;
  }
}

/**
 * Makes `#voice` switch the microphone, `#video` the camera (and the microphone with it) and `#hangup` both off.
 * `prepare()` is awaited before something is switched on.
 */
export function buttons(capture, prepare = async () => {}) {
  const press = async wanted => {
    fail('');
    $('voice').disabled = $('video').disabled = true;
    try {
      if (wanted.audio || wanted.video) await prepare();
      await capture.set(wanted);
    } catch (error) {
      fail(error.message);
    } finally {
      $('voice').disabled = $('video').disabled = false;
    }
  };
  $('voice').onclick = () => press({ audio: !capture.audio, video: Boolean(capture.video) });
  $('video').onclick = () => press(capture.video ? { audio: Boolean(capture.audio), video: false } : { audio: true, video: true });
  $('hangup').onclick = () => press({ audio: false, video: false });
  const show = () => {
    $('voice').setAttribute('aria-pressed', Boolean(capture.audio));
    $('video').setAttribute('aria-pressed', Boolean(capture.video));
    $('hangup').disabled = !capture.audio && !capture.video;
    $('local-video').hidden = !capture.video;
    $('local-video').srcObject = capture.video ? capture.stream : null;
  };
  capture.addEventListener('change', show);
  show();
}
