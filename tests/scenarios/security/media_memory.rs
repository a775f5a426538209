//! Rows 3 and 60: what an authenticated peer can make us hold by media, measured as in `memory`.

use bytes::{BufMut, BytesMut};
use peer::media::ReceiveMode;
use srtp::{Ssrc, rtcp};

use super::memory::{AFTER_AUTHENTICATION, each, must_stay_below};
use super::talk::{self, OPUS, PICTURE, RTX, Talk, VOICE, VP8};

/// The victim's application asks for frames and packets, and takes none.
fn talked(attack: impl Fn(&mut Talk)) -> usize {
    each(3, |_| {
        let mut talk = Talk::with(ReceiveMode::Both);
        attack(&mut talk);
        talk
    })
}

#[test]
fn row_03_row_60_media_that_nobody_reads_is_bounded() {
    // A header extension of so many octets, behind it a payload.
    let behind_extension = |talk: &mut Talk, ssrc: Ssrc, number: u16, words: u16, payload| {
        let mut octets = BytesMut::from(&[0x90, if ssrc == VOICE { 111 } else { 96 }][..]);
        octets.put_u16(number);
        octets.put_u32(u32::from(number));
        octets.put_u32(ssrc.0);
        octets.put_u16(0x1000);
        octets.put_u16(words);
        octets.put_slice(&[9, 2, 7, 7].repeat(usize::from(words)));
        octets.put_slice(payload);
        let sealed = talk.seal_rtp(octets);
        talk.give(sealed);
    };
    let stream = |octets: usize, step: u16, count: u16| {
        talked(|talk| {
            for index in 0..count {
                let number = index.wrapping_mul(step);
                for (ssrc, payload_type) in [(VOICE, OPUS), (PICTURE, VP8)] {
                    talk.give_rtp(&talk::packet(ssrc, payload_type, number, vec![0x10; octets]));
                }
            }
        })
    };
    let hulls = |step: u16| {
        talked(|talk| {
            for index in 0..700_u16 {
                for ssrc in [VOICE, PICTURE] {
                    behind_extension(talk, ssrc, index * step, 16_000, &[0x10, 0x10, 1, 1]);
                }
            }
        })
    };
    let sources = |authentic: bool| {
        talked(|talk| {
            for source in 0..5_000_u32 {
                if source % 500 == 0 {
                    talk.forget_what_was_sent();
                }
                for number in [1, 3, 5, 7] {
                    let payload_type = [OPUS, VP8, RTX][usize::try_from(source % 3).unwrap()];
                    let packet =
                        talk::packet(Ssrc(source), payload_type, number, vec![0x10; 1_000]);
                    let mut sealed = talk.seal(&packet).to_vec();
                    let last = sealed.last_mut().unwrap();
                    *last ^= u8::from(!authentic);
                    talk.give(sealed.into());
                }
            }
        })
    };
    // Frames that never end, on as many sources as there can be.
    let endless = |octets: usize| {
        talked(|talk| {
            for index in 0..500_u16 {
                for source in 0..31 {
                    let mut packet = talk::packet(Ssrc(source), VP8, index, vec![0x00; octets]);
                    packet.payload = [&[0x10, 0x10][..], &packet.payload].concat().into();
                    packet.header.marker = false;
                    packet.header.timestamp.0 = 9;
                    talk.give_rtp(&packet);
                }
            }
        })
    };
    let gaps = || {
        talked(|talk| {
            for index in 0..300_u16 {
                for source in 0..31 {
                    let number = index.wrapping_mul(300);
                    talk.give_rtp(&talk::packet(Ssrc(source), VP8, number, "\x10"));
                }
            }
        })
    };
    // What it asks for again is sent again, not kept.
    let nacks = || {
        talked(|talk| {
            for _ in 0..300 {
                talk.victim_speaks(1_500);
                talk.pass(30);
                let (packets, _) = talk.heard();
                for packet in packets {
                    let missing = [packet.header.sequence_number];
                    let nack = rtcp::Nack::new(VOICE, packet.header.ssrc, missing);
                    let sealed = talk.seal_rtcp(rtcp::write(&[rtcp::Packet::Nack(nack)]));
                    talk.give(sealed);
                }
            }
        })
    };
    let reports = || {
        talked(|talk| {
            for source in 0..5_000_u32 {
                if source % 500 == 0 {
                    talk.forget_what_was_sent();
                }
                let block = rtcp::ReportExtension::ReferenceTime(7);
                let extended =
                    rtcp::ExtendedReport { ssrc: Ssrc(source), blocks: vec![block; 100] };
                let item = rtcp::SdesChunk::with_cname(Ssrc(source), vec![65; 200].into());
                let sealed = talk.seal_rtcp(rtcp::write(&[
                    rtcp::Packet::ExtendedReport(extended),
                    rtcp::Packet::SourceDescription(vec![item; 31]),
                ]));
                talk.give(sealed);
            }
        })
    };
    must_stay_below(
        AFTER_AUTHENTICATION,
        "media_memory::row_03_row_60_media_that_nobody_reads_is_bounded",
        &[
            ("packets in order", &|| stream(1_000, 1, 5_000)),
            ("packets of an octet", &|| stream(1, 1, 5_000)),
            ("packets behind gaps", &|| stream(1_000, 2, 5_000)),
            ("packets of an octet behind gaps", &|| stream(1, 2, 5_000)),
            ("packets of 30 kB behind gaps", &|| stream(30_000, 2, 600)),
            ("large hulls of small payloads", &|| hulls(1)),
            ("large hulls of small payloads behind gaps", &|| hulls(2)),
            ("5,000 forged sources", &|| sources(false)),
            ("5,000 authentic sources", &|| sources(true)),
            ("frames without end", &|| endless(1_000)),
            ("frames without end, of small parts", &|| endless(1)),
            ("gaps on all sources", &gaps),
            ("retransmissions", &nacks),
            ("reports of 5,000 sources", &reports),
        ],
    );
}
