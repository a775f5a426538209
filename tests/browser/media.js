// More words, for cases with sound and pictures.
const find = async (pc, type, kind) => {
  for (const r of (await pc.getStats()).values()) if (r.type === type && (!kind || r.kind === kind)) return r;
};

// Microphone and camera without anything that would change what the test put into them.
// Small pictures, because encoders and decoders share two cores.
const capture = ({ audio = false, video = false, width = 480, height = 270 }) => navigator.mediaDevices.getUserMedia({
  audio: audio && { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  video: video && { width, height } });

// Leaves one codec in a transceiver's offer, with its retransmissions.
const only = (transceiver, mimeType) => {
  const kind = transceiver.receiver.track.kind;
  const codecs = RTCRtpReceiver.getCapabilities(kind).codecs
    .filter(c => [mimeType, `${kind}/rtx`].includes(c.mimeType.toLowerCase()))
    .filter(c => !/packetization-mode=0/.test(c.sdpFmtpLine ?? ''));
  if (!codecs.some(c => c.mimeType.toLowerCase() === mimeType)) throw new Error(`this browser has no ${mimeType}`);
  transceiver.setCodecPreferences(codecs);
};

// Tracks of the peer as they come; `next(kind)` waits for one.
const tracks = pc => {
  const came = [];
  pc.addEventListener('track', e => came.push(e.track));
  return { next: kind => until(`a ${kind} track`, () => {
    const at = came.findIndex(track => track.kind === kind);
    return at < 0 ? null : came.splice(at, 1)[0];
  }) };
};

// The frequency of the strongest tone in a track, Hz, once there is one; `expected` ± 15 Hz is waited for.
const hear = async (track, expected, ms = 20000) => {
  const stream = new MediaStream([track]);
  const element = new Audio();                      // Chromium decodes only what an element plays.
  element.muted = true; element.srcObject = stream;
  element.play().catch(() => {});
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: 8192, smoothingTimeConstant: 0 });
  context.createMediaStreamSource(stream).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  let heard = 0, level = -Infinity;
  try {
    return await until(`a tone of ${expected} Hz`, () => {
      analyser.getFloatFrequencyData(bins);
      let peak = 0;
      bins.forEach((value, bin) => { if (bin > 4 && value > bins[peak]) peak = bin; });
      heard = peak * context.sampleRate / analyser.fftSize; level = bins[peak];
      return level > -60 && Math.abs(heard - expected) < 15 ? heard : null;
    }, ms).catch(error => { throw new Error(`${error.message}; heard ${heard} Hz at ${level} dB`); });
  } finally { element.srcObject = null; await context.close(); }
};

// An element that plays a track.
const play = async track => {
  const video = document.createElement('video');
  video.muted = true; video.playsInline = true; video.srcObject = new MediaStream([track]);
  document.body.append(video);
  video.play().catch(() => {});
  return video;
};

// What is seen in the middle of the left and of the right half of a picture.
const look = video => {
  const canvas = document.createElement('canvas');
  canvas.width = 64; canvas.height = 48;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(video, 0, 0, 64, 48);
  const at = (x, y) => Array.from(context.getImageData(x, y, 1, 1).data).slice(0, 3);
  return { left: at(16, 24), right: at(48, 24), all: Array.from(context.getImageData(0, 0, 64, 48).data) };
};
const near = (colour, expected) => colour.every((value, i) => Math.abs(value - expected[i]) < 60);
const RED = [255, 0, 0], BLUE = [0, 0, 255];

// Waits until a track shows what the camera of these tests films: red on the left, blue on the right.
const see = async (track, ms = 20000) => {
  const video = await play(track);
  let seen;
  try {
    await until('red and blue', () => {
      if (!video.videoWidth) return false;
      seen = look(video);
      return near(seen.left, RED) && near(seen.right, BLUE);
    }, ms).catch(error => { throw new Error(`${error.message}; saw ${JSON.stringify([seen?.left, seen?.right, video.videoWidth])}`); });
    return { width: video.videoWidth, height: video.videoHeight };
  } finally { video.srcObject = null; video.remove(); }
};

// Offers again in a session that exists, as after adding or removing something.
const renegotiate = async (pc, session) => {
  await pc.setLocalDescription();
  const response = await fetch(session, {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
  if (response.status !== 200) throw new Error(`offer: ${response.status} ${await response.text()}`);
  await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
};

// WHIP (RFC 9725) and WHEP: one POST each.
const exchange = async (url, pc) => {
  await pc.setLocalDescription();
  await until('all candidates', () => pc.iceGatheringState === 'complete');
  const response = await fetch(url, {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
  if (response.status !== 201) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  await pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  return new URL(response.headers.get('Location'), url).href;
};
