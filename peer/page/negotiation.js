// Perfect negotiation (W3C webrtc-pc §10.7): both sides may offer whenever they like. When two offers cross, the
// polite side takes its own back and answers; the impolite side does not even read the other one.

export class Negotiation {
  #pc;
  #polite;
  #send;
  #makingOffer = false;
  #ignoreOffer = false;
  #settingAnswer = false;

  /** `send({ description } | { candidate })` carries something to the other side; `failed(error)` hears of what went wrong. */
  constructor(pc, polite, send, failed) {
    this.#pc = pc;
    this.#polite = polite;
    this.#send = send;
    pc.onicecandidate = ({ candidate }) => send({ candidate });
    pc.onnegotiationneeded = () => this.#offer().catch(failed);
  }

  async #offer() {
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#send({ description: this.#pc.localDescription });
    } finally {
      this.#makingOffer = false;
    }
  }

  /** What the other side sent. */
  async received({ description, candidate }) {
    const pc = this.#pc;
    if (!description) return this.#candidate(candidate);
    // An answer that is being applied will make us stable: what comes meanwhile is no collision.
    const ready = !this.#makingOffer && (pc.signalingState === 'stable' || this.#settingAnswer);
    this.#ignoreOffer = description.type === 'offer' && !ready && !this.#polite;
    if (this.#ignoreOffer) return;
    this.#settingAnswer = description.type === 'answer';
    try {
      await pc.setRemoteDescription(description); // takes an offer of ours back, if there is one
    } finally {
      this.#settingAnswer = false;
    }
    if (description.type === 'offer') {
      await pc.setLocalDescription();
      this.#send({ description: pc.localDescription });
    }
  }

  async #candidate(candidate) {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch (error) {
      // Those of an offer that we did not read are strangers to us.
      if (!this.#ignoreOffer) throw error;
    }
  }
}
