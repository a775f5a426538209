// What the pages have in common: finding elements, writing numbers, the chat, the box for files.

export const $ = id => document.getElementById(id);

/** Shown where there is nothing to show. */
export const NOTHING = '–';

const MAX_LINES = 500; // kept in a chat

function scaled(count, units) {
  let unit = 0;
  while (count >= 1000 && unit < units.length - 1) { count /= 1000; unit++; }
  return `${count.toFixed(unit && count < 100 ? 1 : 0)} ${units[unit]}`;
}

export const octets = count => scaled(count, ['B', 'kB', 'MB', 'GB']);
export const bitRate = rate => scaled(rate, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);
export const milliseconds = seconds => `${(seconds * 1000).toFixed(1)} ms`;

/** One sentence about what went wrong; an empty one takes the last away. */
export function fail(reason) {
  $('error').textContent = reason;
  $('error').hidden = !reason;
}

/** Adds a line of a kind (`ours`, `theirs`, `note`) to the chat, and takes the oldest away. */
export function line(kind, text) {
  const item = document.createElement('li');
  item.className = kind;
  item.textContent = text;
  const log = $('chat-log');
  log.append(item);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

/** Calls `take(file)` for a file that was chosen in `#file-input` or dropped on `#drop`. */
export function files(take) {
  $('file-input').onchange = ({ target }) => {
    const [file] = target.files;
    target.value = ''; // so that the same file can be chosen again
    if (file) take(file);
  };
  const drop = $('drop');
  for (const kind of ['dragenter', 'dragover']) {
    drop.addEventListener(kind, event => { event.preventDefault(); drop.classList.add('over'); });
  }
  for (const kind of ['dragleave', 'drop']) drop.addEventListener(kind, () => drop.classList.remove('over'));
  drop.addEventListener('drop', event => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file && !$('file-input').disabled) take(file);
  });
  // A file dropped beside the box must not replace the page.
  for (const kind of ['dragover', 'drop']) addEventListener(kind, event => event.preventDefault());
}

/** Shows what the other side sends, in `#remote-video`: the tracks that are there, as they come and go. */
export class Screen {
  #stream = new MediaStream();

  constructor() {
    // Any press will do, not only the button's.
    addEventListener('click', () => $('sound').hidden || this.#play(false));
    this.clear();
  }

  show(track) {
    if (!this.#stream.getTracks().includes(track)) this.#stream.addTrack(track);
    track.addEventListener('ended', () => this.hide(track));
    this.#update();
  }

  hide(track) {
    this.#stream.removeTrack(track);
    this.#update();
  }

  clear() {
    for (const track of this.#stream.getTracks()) this.#stream.removeTrack(track);
    this.#update();
  }

  #update() {
    const video = $('remote-video');
    const kinds = ['audio', 'video'].filter(kind => this.#stream.getTracks().some(track => track.kind === kind));
    video.dataset.receiving = kinds.join(' ') || 'nothing';
    // A new object, because an element that has had no video does not begin to show it everywhere.
    video.srcObject = kinds.length ? new MediaStream(this.#stream.getTracks()) : null;
    $('screen').dataset.receiving = video.dataset.receiving;
    $('sound').hidden = true;
    if (kinds.length) this.#play(false);
  }

  /** A page that nobody has touched yet may not be heard; then it is seen, and a button offers sound. */
  async #play(muted) {
    const video = $('remote-video');
    video.muted = muted;
    $('sound').hidden = !muted;
    try {
      await video.play();
    } catch ({ name }) {
      if (name === 'NotAllowedError' && !muted) await this.#play(true);
    }
  }
}
