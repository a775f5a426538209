// Words the cases are written in. A case is the body of an async function; what it returns is its result.
const sleep = ms => new Promise(done => setTimeout(done, ms));
const once = (target, event, ms = 15000) => new Promise((done, fail) => {
  const timer = setTimeout(() => fail(new Error(`no ${event} within ${ms} ms`)), ms);
  target.addEventListener(event, e => { clearTimeout(timer); done(e); }, { once: true });
});
const until = async (what, condition, ms = 15000) => {
  const end = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(20);
  }
};
const equal = (actual, expected, what) => {
  if (JSON.stringify(actual) !== JSON.stringify(expected))
    throw new Error(`${what}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
};
const pattern = (length, seed = 1) => {
  const octets = new Uint8Array(length);
  for (let i = 0, x = seed; i < length; i++) { x = (x * 1103515245 + 12345) & 0x7fffffff; octets[i] = x >> 16; }
  return octets;
};
const sameOctets = (a, b) => a.length === b.length && a.every((octet, i) => octet === b[i]);
const opened = channel => channel.readyState === 'open' ? Promise.resolve() : once(channel, 'open');

// Messages of a channel in order; `next()` waits for one. Listening starts now, so nothing is lost.
const inbox = channel => {
  channel.binaryType = 'arraybuffer';
  const messages = [], waiting = [];
  channel.addEventListener('message', e => waiting.length ? waiting.shift()(e.data) : messages.push(e.data));
  return { next: (ms = 15000) => messages.length ? Promise.resolve(messages.shift()) : new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`no message within ${ms} ms`)), ms);
    waiting.push(data => { clearTimeout(timer); done(data); });
  }) };
};

// Offers to a peer that speaks the HTTP contract; `setup(pc)` makes the channels before the offer. Both descriptions
// may be changed on their way.
const call = async (base, setup, { offered = sdp => sdp, answered = sdp => sdp } = {}) => {
  const pc = new RTCPeerConnection();
  const made = setup(pc);
  await pc.setLocalDescription();
  const response = await fetch(base + '/offer', {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: offered(pc.localDescription.sdp) });
  if (response.status !== 201) throw new Error(`offer: ${response.status} ${await response.text()}`);
  const session = new URL(response.headers.get('Location'), base).href;
  await pc.setRemoteDescription({ type: 'answer', sdp: answered(await response.text()) });
  return { pc, made, session };
};
// A description without the candidates that `unwanted` is true of.
const without = (sdp, unwanted) => sdp.split('\r\n').filter(line => !(line.startsWith('a=candidate:') && unwanted(line)))
  .filter(line => line !== 'a=end-of-candidates').join('\r\n');
// The local description with all candidates.
const gathered = async pc => {
  await until('all candidates', () => pc.iceGatheringState === 'complete', 60000);
  return pc.localDescription.sdp;
};
const sessionState = async session => { const r = await fetch(session); return r.status === 404 ? { state: 'closed', gone: true } : r.json(); };
const report = async (pc, type) => { for (const r of (await pc.getStats()).values()) if (r.type === type) return r; };

// What the pair in use is made of; nothing until there is one.
const selectedPair = async pc => {
  const reports = await pc.getStats(), all = [...reports.values()];
  const id = all.find(r => r.type === 'transport')?.selectedCandidatePairId;
  const pair = reports.get(id) ?? all.find(r => r.type === 'candidate-pair' && r.selected);
  const [local, remote] = [reports.get(pair?.localCandidateId), reports.get(pair?.remoteCandidateId)];
  return local && remote && { local: local.candidateType, remote: remote.candidateType, protocol: local.protocol,
    relayProtocol: local.relayProtocol };
};

(async () => {
  for (;;) {
    let order = '';
    try { order = await (await fetch('/order')).text(); } catch { await sleep(200); }
    if (!order) continue;
    let outcome;
    try { outcome = { value: await new (async () => {}).constructor(order)() ?? null }; }
    catch (error) { outcome = { error: `${error}\n${error.stack ?? ''}` }; }
    await fetch('/result', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(outcome) });
  }
})();
