//! The built-in source of sound: 440 Hz, the concert pitch, in G.711.
//!
//! 440 Hz repeats after a tenth of a second, which is five packets of 20 ms. They are encoded once.
//!
//! Book: "A codec you can read".

use std::f64::consts::TAU;
use std::time::Duration;

use bytes::Bytes;
use peer::Transceiver;
use peer::media::{Codec, EncodedFrame};
use srtp::RtpTimestamp;
use srtp::payload::g711;
use tokio::time::MissedTickBehavior;

/// Periods of the tone in a second.
const FREQUENCY: f64 = 440.0;

/// Samples a second of G.711.
const RATE: f64 = 8000.0;

/// Samples in a packet: 20 ms.
const PACKET: u32 = 160;

/// Packets until the tone repeats.
const PACKETS: usize = 5;

/// A quarter of the full scale, so that nobody jumps.
const AMPLITUDE: f64 = 8192.0;

/// The codecs the tone is there in, the preferred one first.
pub(crate) const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// Sends the tone on `transceiver` as long as that is there.
pub(crate) async fn sound(transceiver: &Transceiver, codec: Codec) {
    let packets = packets(codec);
    let mut ticker = tokio::time::interval(Duration::from_millis(20));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut timestamp = 0_u32;
    for payload in packets.iter().cycle() {
        ticker.tick().await;
        let payload = Bytes::clone(payload);
        let frame = EncodedFrame { payload, timestamp: RtpTimestamp(timestamp), rid: None };
        if transceiver.send_frame(frame).is_err() {
            return;
        }
        timestamp = timestamp.wrapping_add(PACKET);
    }
}

/// The packets of a tenth of a second.
fn packets(codec: Codec) -> Vec<Bytes> {
    let samples: Vec<i16> = (0..PACKET * 5)
        .map(|index| {
            let value = (TAU * FREQUENCY * f64::from(index) / RATE).sin() * AMPLITUDE;
            #[expect(clippy::cast_possible_truncation, reason = "a quarter of the full scale")]
            let sample = value.round() as i16;
            sample
        })
        .collect();
    let codes = match codec {
        Codec::Pcma => g711::encode_alaw(&samples),
        _ => g711::encode_ulaw(&samples),
    };
    codes.chunks(codes.len() / PACKETS).map(Bytes::copy_from_slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_a_second_of_concert_pitch() {
        for (codec, decode) in [
            (Codec::Pcmu, g711::decode_ulaw as fn(&[u8]) -> Vec<i16>),
            (Codec::Pcma, g711::decode_alaw),
        ] {
            let packets = packets(codec);
            assert_eq!(packets.len(), PACKETS);
            let samples: Vec<i16> = packets.iter().flat_map(|packet| decode(packet)).collect();
            assert_eq!(samples.len(), 800);
            let rising = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            // The 44th begins with the first sample.
            assert!((43..=44).contains(&rising), "{rising}");
            assert!(samples.iter().any(|&sample| (8000..8400).contains(&sample)));
        }
    }
}
